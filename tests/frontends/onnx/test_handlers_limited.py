"""The wordings of opsets 1 to 6: limited broadcasting, storage hints, parametrised activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.onnx.models import One, normal, saved
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

A = normal(2, 3, 4, 5)
POSITIVE = np.abs(A) + np.float32(0.5)
HINT = {"consumed_inputs": [0]}

BINARY: Mapping[str, tuple[tuple[int, ...], Callable[..., Array]]] = {
    "Add": ((1, 6), np.add),
    "Sub": ((1, 6), np.subtract),
    "Mul": ((1, 6), np.multiply),
    "Div": ((1, 6), np.divide),
    "Pow": ((1,), np.power),
    "Less": ((1,), np.less),
    "Greater": ((1,), np.greater),
}
LOGICAL: Mapping[str, Callable[..., Array]] = {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor}

LAID: list[tuple[tuple[int, ...], int | None, tuple[int, ...]]] = [
    ((), None, ()),
    ((1, 1), None, ()),
    ((5,), None, (5,)),
    ((4, 5), None, (4, 5)),
    ((3, 4), 1, (3, 4, 1)),
    ((2,), 0, (2, 1, 1, 1)),
    ((4,), -2, (4, 1)),
    ((3, 1), 1, (3, 1, 1)),
    ((2, 3, 4, 5), None, (2, 3, 4, 5)),
]
"""Shapes of the second operand, the axis, and the same as NumPy reads it (onnx.defs, Add-1)."""


def first_of(case: One, folder: Path) -> Array:
    first, *_ = run(import_onnx(saved(case.model(), folder)), case.feeds).values()
    return first


@pytest.mark.parametrize(("shape", "axis", "seen"), LAID)
@pytest.mark.parametrize("kind", BINARY)
def test_the_second_operand_is_laid_along_an_axis(
    kind: str, shape: tuple[int, ...], axis: int | None, seen: tuple[int, ...], tmp_path: Path
) -> None:
    y = np.abs(normal(*shape, seed=2)) + np.float32(0.5)
    words: dict[str, object] = {"broadcast": 1} if axis is None else {"broadcast": 1, "axis": axis}
    versions, function = BINARY[kind]
    for opset in versions:
        hint = HINT if opset == 1 and kind in ("Add", "Sub", "Mul", "Div") else {}
        got = first_of(One(kind, opset, {"x": POSITIVE, "y": y}, attributes={**words, **hint}), tmp_path)
        np.testing.assert_allclose(got, function(POSITIVE, y.reshape(seen)), rtol=1e-6)


@pytest.mark.parametrize("kind", LOGICAL)
def test_bools_are_laid_along_an_axis_too(kind: str, tmp_path: Path) -> None:
    x, y = A > 0, np.array([True, False, True])
    got = first_of(One(kind, 1, {"x": x, "y": y}, attributes={"broadcast": 1, "axis": 1}), tmp_path)
    assert np.array_equal(got, LOGICAL[kind](x, y.reshape(3, 1, 1)))


def test_equal_compares_integers(tmp_path: Path) -> None:
    x, y = np.array([[1, 2], [2, 1]], np.int64), np.array([1, 2], np.int64)
    got = first_of(One("Equal", 1, {"x": x, "y": y}, attributes={"broadcast": 1}), tmp_path)
    assert got.tolist() == [[True, True], [False, False]]


UNARY: Mapping[str, Callable[[Array], Array]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, np.zeros((), x.dtype)),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x.astype(np.float64))),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}


@pytest.mark.parametrize("kind", UNARY)
def test_hints_about_storage_change_nothing(kind: str, tmp_path: Path) -> None:
    got = first_of(One(kind, 1, {"x": POSITIVE}, attributes=HINT), tmp_path)
    np.testing.assert_allclose(got, UNARY[kind](POSITIVE), rtol=1e-5)


def selu(x: Array) -> Array:
    wide = x.astype(np.float64)
    return np.asarray(np.where(wide > 0, 1.0507 * wide, 1.0507 * 1.6732 * (np.exp(wide) - 1)))


PARAMETRIC: list[tuple[str, Mapping[str, object], Callable[[Array], Array]]] = [
    ("Clip", {"min": -0.5, "max": 0.25}, lambda x: np.clip(x, np.float32(-0.5), np.float32(0.25))),
    ("Clip", {}, lambda x: x),
    ("LeakyRelu", {}, lambda x: np.where(x < 0, np.float32(0.01) * x, x)),
    ("LeakyRelu", {"alpha": 0.5}, lambda x: np.where(x < 0, np.float32(0.5) * x, x)),
    ("Elu", {}, lambda x: np.where(x < 0, np.exp(x) - 1, x)),
    ("Selu", {}, selu),
    ("HardSigmoid", {}, lambda x: np.clip(np.float32(0.2) * x + np.float32(0.5), np.float32(0), np.float32(1))),
]


@pytest.mark.parametrize(("kind", "words", "function"), PARAMETRIC)
def test_activations_have_the_defaults_of_their_time(
    kind: str, words: Mapping[str, object], function: Callable[[Array], Array], tmp_path: Path
) -> None:
    got = first_of(One(kind, 1, {"x": A}, attributes={**words, **HINT}), tmp_path)
    np.testing.assert_allclose(got, function(A), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "function"), [("Sum", np.add), ("Max", np.maximum), ("Min", np.minimum)])
def test_any_number_of_operands_of_one_shape(kind: str, function: Callable[..., Array], tmp_path: Path) -> None:
    x, y, z = (normal(2, 3, seed=seed) for seed in range(3))
    got = first_of(One(kind, 1, {"x": x, "y": y, "z": z}, attributes={"consumed_inputs": [0, 0, 0]}), tmp_path)
    np.testing.assert_allclose(got, function(function(x, y), z), rtol=1e-6)
    assert np.array_equal(first_of(One(kind, 6, {"x": x}), tmp_path), x)


def test_the_mean_of_operands_of_one_shape(tmp_path: Path) -> None:
    x, y = normal(2, 3), normal(2, 3, seed=1)
    np.testing.assert_allclose(first_of(One("Mean", 1, {"x": x, "y": y}), tmp_path), (x + y) / 2, rtol=1e-6)
    np.testing.assert_allclose(first_of(One("Mean", 6, {"x": x}), tmp_path), x, rtol=1e-6)


@pytest.mark.parametrize(("shape", "seen"), [((1,), ()), ((3,), (3, 1, 1)), ((3, 1, 1), (3, 1, 1))])
def test_slopes_belong_to_channels(shape: tuple[int, ...], seen: tuple[int, ...], tmp_path: Path) -> None:
    slope = normal(*shape, seed=4)
    want = np.where(A < 0, A * slope.reshape(seen), A)
    for opset in (1, 6):
        np.testing.assert_allclose(first_of(One("PRelu", opset, {"x": A, "s": slope}), tmp_path), want, rtol=1e-6)


def test_gemm_repeats_its_third_operand_only_when_asked(tmp_path: Path) -> None:
    a, b, c = normal(4, 3), normal(2, 4, seed=1), normal(2, seed=2)
    words = {"transA": 1, "transB": 1, "alpha": 0.5}
    for opset in (1, 6):
        asked = One("Gemm", opset, {"a": a, "b": b, "c": c}, attributes={**words, "broadcast": 1})
        np.testing.assert_allclose(first_of(asked, tmp_path), 0.5 * a.T @ b.T + c, rtol=1e-5)
        whole = np.tile(c, (3, 1))
        plain = One("Gemm", opset, {"a": a, "b": b, "c": whole}, attributes=words)
        np.testing.assert_allclose(first_of(plain, tmp_path), 0.5 * a.T @ b.T + c, rtol=1e-5)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (One("Add", 6, {"x": A, "y": A[0]}), "differ"),
        (One("Add", 6, {"x": A, "y": A[:, :, 0, 0]}, attributes={"broadcast": 1}), "does not fit into"),
        (One("Add", 6, {"x": A, "y": A[0]}, attributes={"broadcast": 1, "axis": 2}), "does not fit into"),
        (One("Add", 6, {"x": A[0, 0], "y": A[0]}, attributes={"broadcast": 1}), "does not fit into"),
        (One("Add", 6, {"x": A, "y": A[0]}, attributes={"broadcast": 1, "axis": 9}), "axis 9 does not exist"),
        (One("Sum", 6, {"x": A, "y": A[0]}), "differ"),
        (One("Gemm", 6, {"a": A[0, 0], "b": A[0, 0].T, "c": A[0, 0, 0, :4]}), ""),
        (One("Gemm", 6, {"a": A[0], "b": A[0], "c": A[0]}), "matrices are needed"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(case: One, text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=text):
        import_onnx(saved(case.model(), tmp_path))
