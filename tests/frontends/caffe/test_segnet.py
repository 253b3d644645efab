"""SegNet's dialect: BN with a scale and a shift, dropout that draws in testing, pictures with dense labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import Case, declare, layer, one, ours
from tests.frontends.caffe.test_handlers_forks import IMAGE, Oracle
from xir.errors import XirError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import LoadOptions
from xir.ir.dims import Symbol
from xir.ir.types import DType, TensorType


def _normal(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    """The batch's own statistics taken away."""
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


CASES: list[tuple[Case, Oracle]] = [
    (
        Case("BN of SegNet", IMAGE, one("BN", "bn_param { bn_mode: INFERENCE }"), {"it": [(1, 4, 1, 1)] * 2}),
        lambda f, w: f["data"] * w["it"][0] + w["it"][1],
    ),
    (
        Case(
            "BN of SegNet with fillers",
            IMAGE,
            one(
                "BN",
                'bn_param { scale_filler { type: "constant" value: 2 } shift_filler { type: "constant" value: 0.5 } '
                "bn_mode: INFERENCE }",
            ),
        ),
        lambda f, w: f["data"] * 2 + 0.5,
    ),
    (
        Case("BN of SegNet that learns", IMAGE, one("BN", "bn_param {}"), {"it": [(1, 4, 1, 1)] * 2}),
        lambda f, w: _normal(f["data"], (0, 2, 3), 1e-9) * w["it"][0] + w["it"][1],
    ),
    (
        Case(
            "BN of SegNet with its statistics",
            IMAGE,
            one("BN", "bn_param { bn_mode: LEARN }", tops="other mean y") + layer("s", "Silence", "other mean", ""),
            {"it": [(1, 4, 1, 1)] * 2},
        ),
        lambda f, w: f["data"].var(axis=(0, 2, 3), keepdims=True),
    ),
]


@pytest.mark.parametrize(("case", "oracle"), CASES, ids=[case.id for case, _ in CASES])
def test_agrees_with_the_sum_written_out(case: Case, oracle: Oracle, tmp_path: Path) -> None:
    (actual,) = ours(case, tmp_path).values()
    expected = np.asarray(oracle(case.feeds(), case.weights()))
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_statistics_of_each_batch_are_told(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(declare(IMAGE) + one("BN", "bn_param { bn_mode: LEARN }"))
    assert any(
        "bn_mode LEARN takes the mean and variance of each batch" in n
        for n in load_caffe(str(path), LoadOptions()).notes
    )


def test_the_size_of_dense_pictures_is_that_of_their_crop(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    data = 'layer { name: "d" type: "DenseImageData" top: "data" top: "label" dense_image_data_param { %s } }\n'
    body = one("Convolution", "convolution_param { num_output: 1 kernel_size: 1 }")
    path.write_text(data % "crop_height: 8 crop_width: 9 new_height: 5 new_width: 5" + body)
    with pytest.raises(XirError) as caught:
        load_caffe(str(path), LoadOptions())
    assert "--input data=f32" in str(caught.value.hint)
    inputs = {"data": TensorType(DType.FLOAT32, (Symbol("N"), 3, 8, 9))}
    assert load_caffe(str(path), LoadOptions(inputs=inputs)).graph.input_names == ("data",)


X = {"data": (2, 4, 6, 8)}
REFUSED = [
    ("two dialects of BN", X, one("BN", "bn_param { bn_mode: INFERENCE eps: 0.1 }"), "holds eps, which SegNet's BN"),
    ("dropout draws", X, one("Dropout", "dropout_param { sample_weights_test: true }"), "draws random numbers"),
    (
        "slice behind the end",
        X,
        one("Slice", "slice_param { slice_point: 5 }", tops="a b"),
        "slice_point 5 lies behind the 4 elements of axis 1",
    ),
    (
        "slice of nothing",
        X,
        one("Slice", "slice_param { slice_point: 4 }", tops="a b"),
        "slice_point 4 lies at the end",
    ),
]


@pytest.mark.parametrize(("shapes", "text", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_contradicts_itself_is_refused(
    shapes: dict[str, tuple[int, ...]], text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(declare(shapes) + text)
    with pytest.raises(XirError) as caught:
        load_caffe(str(path), LoadOptions())
    problems = getattr(caught.value, "problems", ())
    assert words in " ".join([caught.value.message, *(problem.reason for problem in problems)])
    assert caught.value.hint or problems[0].hint
