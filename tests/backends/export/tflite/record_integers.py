"""Asks LiteRT what the files of `integer_cases.py` compute: `python -m tests.backends.export.tflite.record_integers`.

To be run where `ai-edge-litert==2.3.0` is installed; writes `integers.npz`: {case: the results of the kernels that
LiteRT runs by default, and of its reference kernels}. A case that LiteRT refuses is named, and the program fails.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.backends.export.tflite.integer_cases import CASES, DEFAULT_ALONE, Case
from xir.backends.export.tflite import export_tflite

EXPECTED = Path(__file__).with_name("integers.npz")


def results(case: Case, path: Path) -> np.ndarray:
    """What the sets of kernels make of the case's file: [sets, ...]."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    export_tflite(case.graph(), path)
    found = []
    resolvers = [OpResolverType.AUTO, OpResolverType.BUILTIN_REF]
    for resolver in resolvers[: 1 if case.kind in DEFAULT_ALONE else 2]:
        interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        feeds = case.feeds()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], feeds[detail["name"]])
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
    return np.stack(found)


def main() -> int:
    """Writes the file; the number of cases that LiteRT refuses."""
    kept: dict[str, np.ndarray] = {}
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            try:
                kept[case.label] = results(case, Path(folder) / "m.tflite")
            except (RuntimeError, ValueError) as error:
                sys.stderr.write(f"{case.label}: {error}\n")
                refused += 1
    np.savez_compressed(EXPECTED, **kept)
    return refused


if __name__ == "__main__":
    sys.exit(main())
