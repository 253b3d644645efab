"""Prior boxes: against OpenCV, and what becomes of their attributes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.caffe_oracles import opencv
from tests.ops.cases import normal
from tests.ops.evaluate import decomposed, evaluate
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError
from xir.ir.dims import Symbol
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.prior import expanded_aspect_ratios, prior_box

FEATURE, IMAGE = normal(1, 2, 5, 4), normal(1, 3, 50, 40)
PLAIN: dict[str, object] = {
    "min_sizes": (10.0,),
    "max_sizes": (),
    "aspect_ratios": (),
    "clip": False,
    "variances": (0.1,),
    "step_h": 0.0,
    "step_w": 0.0,
    "offset": 0.5,
}


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("min_size: 10 variance: 0.1", {}),
        ("min_size: 10 max_size: 14 variance: 0.1", {"max_sizes": (14.0,)}),
        (
            "min_size: 10 aspect_ratio: 2 aspect_ratio: 3 variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2",
            {"aspect_ratios": expanded_aspect_ratios([2, 3], True), "variances": (0.1, 0.1, 0.2, 0.2)},
        ),
        (
            "min_size: 10 max_size: 14 aspect_ratio: 2 flip: false clip: true variance: 0.1",
            {"max_sizes": (14.0,), "aspect_ratios": (2.0,), "clip": True},
        ),
        ("min_size: 10 variance: 0.1 step: 8", {"step_h": 8.0, "step_w": 8.0}),
        ("min_size: 10 variance: 0.1 step_h: 8 step_w: 9 offset: 0", {"step_h": 8.0, "step_w": 9.0, "offset": 0.0}),
    ],
)
def test_they_agree_with_opencv(text: str, changes: dict[str, object]) -> None:
    text += "" if "clip" in text else " clip: false"  # SSD's default; OpenCV's own is true
    layers = f'layer {{ name: "p" type: "PriorBox" bottom: "f" bottom: "i" top: "p" prior_box_param {{ {text} }} }}'
    result = evaluate(prior_box, FEATURE, IMAGE, **PLAIN | changes)
    np.testing.assert_allclose(result, opencv(layers, {"f": FEATURE, "i": IMAGE}, "p"), rtol=1e-6, atol=1e-7)


def test_each_minimum_size_is_followed_by_its_square_and_then_by_its_ratios() -> None:
    attributes = PLAIN | {"min_sizes": (8.0, 2.0), "max_sizes": (18.0, 8.0), "aspect_ratios": (4.0,)}
    boxes = evaluate(prior_box, normal(1, 1, 1, 1), normal(1, 1, 100, 100), **attributes)[0, 0].reshape(-1, 4)
    sizes = (boxes[:, 2:] - boxes[:, :2]) * 100
    expected = [[8, 8], [12, 12], [16, 4], [2, 2], [4, 4], [4, 1]]
    np.testing.assert_allclose(sizes, expected, rtol=1e-5)


def test_an_image_size_among_the_attributes_takes_the_place_of_the_image() -> None:
    fixed = evaluate(prior_box, FEATURE, normal(1, 3, 7, 7), **PLAIN, image_height=50, image_width=40)
    np.testing.assert_array_equal(fixed, evaluate(prior_box, FEATURE, IMAGE, **PLAIN))


@pytest.mark.parametrize(
    ("ratios", "flip", "expected"),
    [
        ((), True, ()),
        ((1.0,), True, ()),
        ((2.0,), True, (2.0, 0.5)),
        ((2.0,), False, (2.0,)),
        ((2.0, 2.0), True, (2.0, 0.5)),
        ((2.0, 0.5, 4.0), True, (2.0, 0.5, 4.0, 0.25)),
    ],
)
def test_aspect_ratios_are_expanded_as_the_layer_does(
    ratios: tuple[float, ...], flip: bool, expected: tuple[float, ...]
) -> None:
    assert expanded_aspect_ratios(ratios, flip) == expected


def sized(*shape: int | Symbol) -> Value:
    return Value(TensorType(DType.FLOAT32, shape))


@pytest.mark.parametrize(
    ("feature", "image"), [((1, 2, Symbol("h"), 4), (1, 3, 50, 40)), ((1, 2, 5, 4), (1, 3, 50, Symbol("w")))]
)
def test_boxes_of_unknown_sizes_cannot_be_written_down(
    feature: tuple[int | Symbol, ...], image: tuple[int | Symbol, ...]
) -> None:
    with pytest.raises(UnsupportedError, match="must be known") as caught:
        decomposed(prior_box)(sized(*feature), sized(*image), **PLAIN)
    assert "--input" in str(caught.value.hint)


def test_an_unknown_image_does_not_matter_when_its_size_is_given() -> None:
    result = decomposed(prior_box)(
        sized(1, 2, 5, 4), sized(1, 3, Symbol("h"), Symbol("w")), **PLAIN, image_height=50, image_width=40
    )
    assert isinstance(result, Value)
    assert result.shape == (1, 2, 80)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min_sizes": ()}, "min_sizes"),
        ({"min_sizes": (0.0,)}, "min_sizes"),
        ({"max_sizes": (14.0, 15.0)}, "max_sizes"),
        ({"max_sizes": (10.0,)}, "must be above"),
        ({"variances": (0.1, 0.1)}, "1 or 4 positive variances"),
        ({"variances": (0.0,)}, "1 or 4 positive variances"),
        ({"aspect_ratios": (-1.0,)}, "aspect ratios"),
        ({"step_h": -1.0}, "must be >= 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], words: str) -> None:

    with pytest.raises(InvalidModelError, match=words):
        evaluate(prior_box, FEATURE, IMAGE, **PLAIN | changes)


def test_a_hostile_map_is_refused_before_its_boxes_are_made() -> None:
    with pytest.raises(UnsafeError, match="the list of prior boxes"):
        decomposed(prior_box)(sized(1, 2, 1 << 20, 1 << 20), sized(1, 3, 50, 40), **PLAIN)


def test_the_map_has_four_axes() -> None:
    with pytest.raises(InvalidModelError, match="4 axes"):
        evaluate(prior_box, normal(1, 2, 5), IMAGE, **PLAIN)


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf"), 1e-45])
def test_an_aspect_ratio_that_is_no_positive_number_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidModelError, match="aspect ratio"):
        expanded_aspect_ratios([ratio], flip=True)
