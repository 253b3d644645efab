"""Records programs and what TensorFlow makes of them: `python -m tests.frontends.tensorflow.record_programs`."""

from __future__ import annotations

import io
import sys
import zipfile

import numpy as np
import tensorflow as tf

from tests.frontends.tensorflow.programs import ARCHIVE, Program, programs

_EPOCH = (1980, 1, 1, 0, 0, 0)


def trace(program: Program, frames: bool, feeds: dict[str, np.ndarray]) -> tuple[bytes, dict[str, np.ndarray]]:
    """The graph, and its results by the names that they have in it."""
    (tf.compat.v1.disable_control_flow_v2 if frames else tf.compat.v1.enable_control_flow_v2)()
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        held = {
            name: tf.compat.v1.placeholder(tf.string if array.dtype == object else array.dtype, array.shape, name=name)
            for name, array in feeds.items()
        }
        made = tf.nest.flatten(program(tf, **held))
        named = [tf.identity(each, name=f"result{place}") for place, each in enumerate(made)]
        results = session.run(named, {f"{name}:0": array for name, array in feeds.items()})
        definition = tf.compat.v1.graph_util.extract_sub_graph(
            graph.as_graph_def(), [each.op.name for each in named] + list(feeds)
        )
    return definition.SerializeToString(), {each.op.name: array for each, array in zip(named, results, strict=True)}


def main() -> int:
    held: dict[str, np.ndarray] = {}
    failed = 0
    with zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, frames, program, feeds in programs():
            try:
                definition, results = trace(program, frames, feeds)
            except Exception as error:
                print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
                failed += 1
                continue
            archive.writestr(zipfile.ZipInfo(f"{name}.pb", _EPOCH), definition, zipfile.ZIP_DEFLATED)
            for side, arrays in (("in", feeds), ("out", results)):
                for key, array in arrays.items():
                    whole = np.asarray(array)
                    held[f"{name}/{side}/{key}"] = _bytes(whole) if whole.dtype.kind == "O" else whole
        stream = io.BytesIO()
        np.savez_compressed(stream, **held)
        archive.writestr(zipfile.ZipInfo("expected.npz", _EPOCH), stream.getvalue())
    print(f"{len(held)} arrays in {ARCHIVE}, {failed} programs failed")
    return 1 if failed else 0


def _bytes(array: np.ndarray) -> np.ndarray:
    flat = [item if isinstance(item, bytes) else str(item).encode() for item in array.reshape(-1).tolist()]
    return np.array(flat, "S").reshape(array.shape)


if __name__ == "__main__":
    raise SystemExit(main())
