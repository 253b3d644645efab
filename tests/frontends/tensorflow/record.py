"""Records TensorFlow's results of the cases: `python -m tests.frontends.tensorflow.record` where TensorFlow 2.21 is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.frontends.tensorflow.all_cases import cases
from tests.frontends.tensorflow.cases import Case

FIXTURE = Path(__file__).parent / "fixtures" / "operators.npz"


def results(case: Case) -> list[np.ndarray]:
    """What TensorFlow makes of a case."""
    import tensorflow as tf
    from google.protobuf import text_format

    definition = text_format.Parse("\n".join(case.graph()), tf.compat.v1.GraphDef())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.import_graph_def(definition, name="")
        feeds = {f"{name}:0": value for name, value in case.feeds().items()}
        return list(session.run([f"y:{place}" for place in case.outputs], feeds))


def main() -> int:
    held: dict[str, np.ndarray] = {}
    failed = 0
    for case in cases():
        try:
            made = results(case)
        except Exception as error:
            print(f"{case.name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
            failed += 1
            continue
        for place, array in zip(case.outputs, made, strict=True):
            whole = np.asarray(array)
            held[f"{case.name}/{place}"] = whole.astype("S") if whole.dtype.kind == "O" else whole
    FIXTURE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FIXTURE, **held)
    print(f"{len(held)} results in {FIXTURE}, {failed} cases failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
