"""Asks LiteRT for the results of all cases: `python -m tests.frontends.tflite.record` writes `expected.npz`.

To be run where `ai-edge-litert==2.3.0` is installed. A case that LiteRT refuses is named, and the program fails.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.tflite.cases import cases
from tests.frontends.tflite.models import Case

EXPECTED = Path(__file__).with_name("expected.npz")


def results(case: Case) -> list[Any]:
    """What LiteRT makes of a case."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=case.data,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), case.feeds, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return [np.asarray(interpreter.get_tensor(detail["index"])) for detail in interpreter.get_output_details()]


def main() -> int:
    """Writes the file; the number of cases that LiteRT refuses."""
    kept: dict[str, Any] = {}
    refused = 0
    for case in cases():
        try:
            found = results(case)
        except (RuntimeError, ValueError) as error:
            sys.stderr.write(f"{case.name}: {error}\n")
            refused += 1
            continue
        for place, array in enumerate(found):
            texts = array.dtype.kind in "OS"
            kept[f"{case.name}/{place}"] = array.astype("S") if texts else array
    np.savez_compressed(EXPECTED, **kept)
    return refused


if __name__ == "__main__":
    sys.exit(main())
