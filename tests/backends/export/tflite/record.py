"""Asks LiteRT what files of ours compute: `python -m tests.backends.export.tflite.record`.

To be run where `ai-edge-litert==2.3.0` is installed. Of `integer_cases.py` it writes `integers.npz`: {case: the results
of the kernels that LiteRT runs by default, and of its reference kernels}; of `late_cases.py` it writes `late.npz`:
{case/result: by default}. A file that LiteRT refuses ends the program.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.backends.export.tflite import integer_cases, late_cases
from xir.backends.export.tflite import export_tflite
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.verification import workable_sizes

INTEGERS = Path(__file__).with_name("integers.npz")
LATE = Path(__file__).with_name("late.npz")


def results(graph: Graph, feeds: Mapping[str, Array], path: Path, plain: bool = False) -> list[Array]:
    """What LiteRT makes of a graph's file, by the kernels that run by default or by the reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    export_tflite(graph, path, least=workable_sizes(graph))
    resolver = OpResolverType.BUILTIN_REF if plain else OpResolverType.AUTO
    interpreter = Interpreter(model_path=str(path), experimental_op_resolver_type=resolver)
    places = {detail["name"]: detail["index"] for detail in interpreter.get_input_details()}
    for name, index in places.items():
        interpreter.resize_tensor_input(index, feeds[name].shape)
    interpreter.allocate_tensors()
    for name, index in places.items():
        interpreter.set_tensor(index, feeds[name])
    interpreter.invoke()
    made = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    return [interpreter.get_tensor(made[name]).copy() for name in graph.output_names]


def _integers(path: Path) -> dict[str, Array]:
    kept: dict[str, Array] = {}
    for case in integer_cases.CASES:
        sets = (False,) if case.kind in integer_cases.DEFAULT_ALONE else (False, True)
        kept[case.label] = np.stack([results(case.graph(), case.feeds(), path, plain)[0] for plain in sets])
    return kept


def _late(path: Path) -> dict[str, Array]:
    kept: dict[str, Array] = {}
    for case in late_cases.CASES:
        made = results(case.graph(), case.feeds, path)
        kept |= {f"{case.name}/{place}": array for place, array in enumerate(made)}
    return kept


def main() -> None:
    """Writes both files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.tflite"
        np.savez_compressed(INTEGERS, **_integers(path))
        np.savez_compressed(LATE, **_late(path))


if __name__ == "__main__":
    sys.exit(main())
