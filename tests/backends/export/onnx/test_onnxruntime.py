"""Every operator, exported for onnxruntime 1.31, loads there and computes what the reference computes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.backends.export.onnx.shared import by_onnxruntime, checked
from tests.ops.cases import Case, all_cases, essential
from tests.ops.test_table import graph_of, tensors
from xir.backends.export.onnx import export_onnx
from xir.backends.export.onnx.targets import choose
from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.types import UnrankedType
from xir.ops.cast import text_to_number
from xir.reference import run
from xir_conformance.runtimes.ort_values import is_extended

TARGET = "ort==1.31"
CASES = tuple(all_cases())
IDS = [f"{index}-{each}" for index, each in enumerate(CASES)]
OLD = [case for case, needed in zip(CASES, essential(CASES), strict=True) if needed][::2]
"""Half of what shows something new, enough for other words of the same numbers."""

DRAWN = ("random_", "bernoulli", "multinomial(", "dropout")
"""What is drawn: ONNX leaves the generator open, so types and shapes alone are compared."""

DIFFERS = {
    "dynamic_quantize(float32):of nothing": "onnxruntime's scale of nothing but 0 is 1",
    "number_to_text": "onnxruntime writes eight digits, exponents, and 1 for True",
    "windows over padding alone": "onnxruntime's maximum of nothing is -FLT_MAX, as Caffe's",
    "over nothing": "onnxruntime's mean of nothing is 0",
    "scan(float32,float32):no steps": "onnxruntime cuts no slices of nothing",
    "all of them": "an unsorted top-k has no promised order",
    "reduce_max(float64)": "onnxruntime's maximum in f64 skips NaN",
    "region and scales": "onnxruntime leaves the region out of the sizes; ONNX's text multiplies by its extent",
    "unique(float64):NaN": "onnxruntime's Unique takes every NaN for another number",
}
"""What onnxruntime computes otherwise; each of them does in one case at least, or it must go from here."""

CRASHES = "rows of nothing"
"""onnxruntime's Unique ends the process where slices have no elements: such a file is only loaded."""

NARROW = ("bool", "f8e4m3fn", "f8e4m3fnuz", "f8e5m2", "f8e5m2fnuz", "f8e8m0")

LACKING: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan"), ("f64",)),
    "BitCast": NARROW,
    "Cast": ("f4e2m1",),
    "Conv": ("f64",),
    "Erf": ("f64",),
    "ImageDecoder": ("",),
    "NonZero": ("str",),
    "Pad": ("str",),
    "RandomNormal": ("opset 22",),
    "RandomUniform": ("opset 22",),
}
"""What onnxruntime has no kernel for, and xir no exact other words: {operator: element types}."""

# f16 and bf16 keep 11 and 8 bits, and runtimes round after every step; f32 loses a few units in sums of tens.
TOLERANCE = {2: 2e-2, 4: 2e-4, 8: 2e-4}


def names(case: Case, texts: Iterable[str]) -> bool:
    return any(text in str(case) for text in texts)


def lacks_of(error: UnsupportedError) -> list[tuple[str, str]]:
    """The operators, and their element types, that the runtime has no kernel for."""
    told = [problem.reason.partition("has no kernel for ")[2].partition(" of ") for problem in error.problems]
    return [(kind, dtypes) for kind, _, dtypes in told if kind]


def legal_of(graph: Graph, opset: int) -> Graph | None:
    """The graph as it is written at an opset; None where ONNX has no words for it, or onnxruntime none of `LACKING`."""
    try:
        return choose(graph, opset, None, TARGET)[1]
    except UnsupportedError as error:
        lacks = lacks_of(error)
        for kind, dtypes in lacks:
            assert {*dtypes.split(" and ")} & {*LACKING[kind]}
        if not lacks and "onnxruntime's LabelEncoder finds no NaN" not in error.message:
            with pytest.raises(UnsupportedError):
                choose(graph, opset, None, None)
    return None


def written(graph: Graph, path: Path, opset: int) -> None:
    """The graph as a file; ONNX's checker wants every rank (onnx docs/IR.md), which not every graph knows."""
    if any(isinstance(value.type, UnrankedType) for value in (*graph.inputs, *graph.outputs)):
        with pytest.warns(UserWarning, match="number of axes of .* is not known"):
            export_onnx(graph, path, target=TARGET, opset=opset)
    else:
        checked(graph, path, target=TARGET, opset=opset)


def assert_alike(have: object, want: object, drawn: bool) -> None:
    if not isinstance(want, np.ndarray) or not isinstance(have, np.ndarray):
        assert (have is None) == (want is None)
        assert isinstance(have, list) == isinstance(want, list)
        for one, other in zip(tensors(have), tensors(want), strict=True):
            assert_alike(one, other, drawn)
        return
    have, want = cast("Array", have), cast("Array", want)
    assert (have.shape, have.dtype) == (want.shape, want.dtype)
    if want.dtype.kind == "O":
        assert have.tolist() == want.tolist()
    elif not drawn:
        bound = TOLERANCE.get(want.dtype.itemsize, 0.0) if want.dtype.kind not in "iub" else 0.0
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=bound, atol=bound)


def compare(case: Case, path: Path, opset: int) -> None:
    """The legal graph under the reference, and the file under onnxruntime, against the graph under the reference."""
    graph, feeds = graph_of(case)
    legal = legal_of(graph, opset)
    if legal is None:
        return
    drawn = names(case, DRAWN)
    want = list(run(graph, feeds).values())
    for have, expected in zip(run(legal, feeds).values(), want, strict=True) if opset == 21 else ():
        assert_alike(have, expected, drawn)
    written(graph, path, opset)
    if CRASHES in str(case):
        import onnxruntime

        onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return
    if case.op is text_to_number and is_extended(want[0]):
        return  # its Python interface takes no text where it gives such a result
    for have, expected in zip(by_onnxruntime(path, feeds), want, strict=True):
        assert_alike(have, expected, drawn)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_every_operator_computes_the_same_under_onnxruntime(case: Case, tmp_path: Path) -> None:
    if names(case, DIFFERS):
        compare_types(case, tmp_path / "m.onnx")
    else:
        compare(case, tmp_path / "m.onnx", 21)


@pytest.mark.parametrize("case", OLD, ids=map(str, OLD))
def test_operators_compute_the_same_at_an_old_opset(case: Case, tmp_path: Path) -> None:
    if not names(case, DIFFERS):
        compare(case, tmp_path / "m.onnx", 11)


def compare_types(case: Case, path: Path) -> None:
    """The file loads, and has the types of the graph."""
    import onnxruntime

    graph, _ = graph_of(case)
    if legal_of(graph, 21) is None:
        return
    written(graph, path, 21)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert len(session.get_outputs()) == len(graph.outputs)


@pytest.mark.parametrize("text", DIFFERS)
def test_what_is_excused_needs_it(text: str, tmp_path: Path) -> None:
    failed = 0
    for case in (each for each in CASES if text in str(each)):
        try:
            compare(case, tmp_path / "m.onnx", 21)
        except Exception:  # any difference, as an assertion or as an error of the runtime
            failed += 1
    assert failed


def test_what_is_lacking_is_lacking() -> None:
    lacked: set[str] = set()
    for case in CASES:
        try:
            choose(graph_of(case)[0], None, None, TARGET)
        except UnsupportedError as error:
            lacked |= {kind for kind, _ in lacks_of(error)}
    assert lacked == set(LACKING)
