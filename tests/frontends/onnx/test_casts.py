"""Casts and operations on bits as files say them, version by version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from tests.frontends.onnx.models import One, saved
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.reference import run

X = {"x": np.array([-1.5, 0.0, 300.0], np.float32)}


def result(one: One, folder: Path) -> Array:
    graph = import_onnx(saved(one.model(), folder))
    (made,) = run(graph, one.feeds).values()
    return made


CASTS = [
    (One("Cast", 1, X, attributes={"to": "FLOAT16"}), np.array([-1.5, 0.0, 300.0], np.float16)),
    (One("Cast", 1, X, attributes={"to": "double"}), np.array([-1.5, 0.0, 300.0])),
    (One("Cast", 6, X, attributes={"to": TensorProto.INT32}), np.array([-1, 0, 300], np.int32)),
    (One("Cast", 9, X, attributes={"to": TensorProto.STRING}), np.array(["-1.5", "0.0", "300.0"], object)),
    (One("Cast", 13, X, attributes={"to": TensorProto.BOOL}), np.array([True, False, True])),
    (
        One("CastLike", 15, X, {"like": np.zeros((2, 5), np.int64)}),
        np.array([-1, 0, 300]),
    ),
    (
        One("BitCast", 26, X, attributes={"to": TensorProto.UINT32}),
        np.array([0xBFC00000, 0, 0x43960000], np.uint32),
    ),
]


@pytest.mark.parametrize(("one", "want"), CASTS, ids=[str(one) for one, _ in CASTS])
def test_casts(one: One, want: Array, tmp_path: Path) -> None:
    made = result(one, tmp_path)
    assert made.dtype == want.dtype
    np.testing.assert_array_equal(made, want)


@pytest.mark.parametrize("dtype", [dtype for dtype in DType if dtype.bits <= 8 and dtype is not DType.STRING])
def test_text_is_read_as_every_narrow_type(dtype: DType, tmp_path: Path) -> None:
    from xir.backends.export.onnx._tensor import NUMBERS

    one = One("Cast", 28, {"x": np.array(["1", "1.0"], object)}, attributes={"to": NUMBERS[dtype]})
    assert result(one, tmp_path).astype(np.float32).tolist() == [1.0, 1.0]


def test_text_stays_text(tmp_path: Path) -> None:
    words = np.array(["a", "b"], object)
    one = One("Cast", 13, {"x": words}, attributes={"to": TensorProto.STRING})
    assert result(one, tmp_path).tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("mode", "saturate", "want"),
    [("up", 1, [1, 128, 254]), ("down", 1, [1, 127, 254]), ("nearest", 0, [1, 128, 255])],
)
def test_powers_of_two_round_as_the_file_says(mode: str, saturate: int, want: list[int], tmp_path: Path) -> None:
    x = np.array([2.0**-126, 1.75, 3.4e38], np.float32)
    words = {"to": TensorProto.FLOAT8E8M0, "round_mode": mode, "saturate": saturate}
    assert result(One("Cast", 24, {"x": x}, attributes=words), tmp_path).view(np.uint8).tolist() == want


@pytest.mark.parametrize(("saturate", "want"), [(1, 448.0), (0, np.nan)])
def test_narrow_floats_saturate_or_do_not(saturate: int, want: float, tmp_path: Path) -> None:
    for source in (np.float32, np.int32):
        words = {"to": TensorProto.FLOAT8E4M3FN, "saturate": saturate}
        made = result(One("Cast", 19, {"x": np.array([70000], source)}, attributes=words), tmp_path)
        np.testing.assert_array_equal(made.astype(np.float32), [want])


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (One("Cast", 13, X, attributes={"to": 99}), "there is no element type 99"),
        (One("Cast", 1, X, attributes={"to": "REAL"}), "there is no element type 'REAL'"),
        (One("BitShift", 11, {"x": np.array([1], np.uint8), "y": np.array([1], np.uint8)}), "'direction' is missing"),
        (
            One("BitShift", 11, {"x": np.array([1], np.uint8)}, inputs=["x", "x"], attributes={"direction": "UP"}),
            "expected LEFT or RIGHT",
        ),
        (
            One("BitShift", 11, {"x": np.array([1], np.int8)}, inputs=["x", "x"], attributes={"direction": "LEFT"}),
            "takes no i8",
        ),
    ],
)
def test_what_contradicts_the_wording_is_refused(one: One, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=message):
        import_onnx(saved(one.model(), tmp_path))


def test_floats_have_a_floored_remainder_since_opset_28(tmp_path: Path) -> None:
    x, y = np.array([-5.5, 5.5, -0.0], np.float32), np.array([3.0, -3.0, 3.0], np.float32)
    one = One("Mod", 28, {"x": x, "y": y})
    np.testing.assert_array_equal(result(one, tmp_path), [0.5, -0.5, 0.0])
    with pytest.raises(InvalidModelError, match="before opset 28"):
        import_onnx(saved(One("Mod", 13, {"x": x, "y": y}).model(), tmp_path))
