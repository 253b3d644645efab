"""What only the run tells: bounds, counts and amounts that are inputs, against LiteRT's results (`record.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.backends.export.tflite.late_cases import CASES, Case
from tests.backends.export.tflite.record import LATE
from tests.backends.export.tflite.test_export import Net, image, kinds
from xir.backends.export.tensorflow import export_tensorflow
from xir.backends.export.tflite import export_tflite, plan_tflite
from xir.errors import UnsupportedError
from xir.ir.constant import Array, constant_of
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.constant import constant
from xir.ops.detection import non_max_suppression
from xir.ops.shape import pad
from xir.reference import run
from xir.verification import workable_sizes


def close(found: object, wanted: Array) -> None:
    """Of one shape and type, and equal."""
    held = np.asarray(found)
    assert (held.shape, held.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(held, wanted, rtol=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_litert_and_our_own_reading_agree_with_the_graph(case: Case, tmp_path: Path) -> None:
    graph, path = case.graph(), tmp_path / "m.tflite"
    assert set(case.kinds) <= set(kinds(plan_tflite(graph)))
    export_tflite(graph, path, least=workable_sizes(graph))
    again = run(xir.load(path), dict(case.feeds))
    with np.load(LATE) as held:
        for place, (name, wanted) in enumerate(run(graph, dict(case.feeds)).items()):
            close(held[f"{case.name}/{place}"], np.asarray(wanted))
            close(again[name], np.asarray(wanted))


NOT_READ = ("pad", "pad fill", "pad reflect")
"""Cases whose operators in TensorFlow's words are not read back."""


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in NOT_READ], ids=lambda case: case.name)
def test_a_saved_model_agrees_too(case: Case, tmp_path: Path) -> None:
    graph, path = case.graph(), tmp_path / "saved_model.pb"
    export_tensorflow(graph, path)
    again = run(xir.load(tmp_path), dict(case.feeds))
    for name, wanted in run(graph, dict(case.feeds)).items():
        close(again[name], np.asarray(wanted))


def boxes(images: object, limit: float | None = None, attribute: int | None = 3) -> Graph:
    """Boxes of some images and one class; the limit of a class may be an operand, known or not."""
    several = images if isinstance(images, int) else Symbol()
    corners, scores = image(several, 5, 4), image(several, 1, 5)
    held = None if limit is None else constant(value=constant_of(np.array([limit], np.int64)))
    late = Value(TensorType(DType.INT64, (1,)))
    most = held if attribute is not None else late
    options = {"iou_threshold": 0.5, "score_threshold": None, "center": False}
    found = non_max_suppression(corners, scores, most, max_per_class=attribute or 3, **options)
    inputs = (corners, scores) if attribute is not None else (corners, scores, late)
    return Net(*inputs).graph(found)


def test_a_limit_that_is_a_known_operand_is_taken(tmp_path: Path) -> None:
    graph = boxes(1, limit=2)
    export_tflite(graph, tmp_path / "m.tflite")
    feeds = xir.random_inputs(graph, seed=1)
    close(run(xir.load(tmp_path / "m.tflite"), feeds)["y0"], np.asarray(run(graph, feeds)["y0"]))
    assert len(np.asarray(run(graph, feeds)["y0"])) == 2


def padded(mode: str) -> Graph:
    """Amounts of padding that are an input."""
    x, amounts = image(4, 5), Value(TensorType(DType.INT64, (4,)))
    pairs = tuple((Symbol(minimum=0), Symbol(minimum=0)) for _ in range(2))
    return Net(x, amounts).graph(pad(x, amounts, padding=pairs, mode="edge" if mode == "edge" else "constant"))


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (boxes("some"), "images"),
        (boxes(1, attribute=None), "limits of boxes"),
        (padded("edge"), "padding by edge"),
    ],
)
def test_what_has_no_form_is_told(graph: Graph, told: str) -> None:
    with pytest.raises(UnsupportedError, match=told):
        plan_tflite(graph)


def test_no_image_has_no_boxes(tmp_path: Path) -> None:
    assert kinds(plan_tflite(boxes(0))).count("NON_MAX_SUPPRESSION_V4") == 0
