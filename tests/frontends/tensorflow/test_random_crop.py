"""Crops that are drawn at random: the same for the same seed, and what is asked of them holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.cases import fixed, real
from tests.frontends.tensorflow.graphs import node, placeholder, write
from tests.frontends.tensorflow.test_refused import case
from xir.errors import XirError

KIND = "SampleDistortedBoundingBox"
SIZE = np.array([40, 60, 3], np.int32)
BOX = np.array([[[0.25, 0.3, 0.75, 0.6]]], np.float32)
RULES = {"T": "DT_INT32", "min_object_covered": 0.5, "aspect_ratio_range": [0.5, 2.0], "area_range": [0.2, 0.6]}


def drawn(folder: Path, seed: int) -> tuple[list[int], list[int], np.ndarray]:
    path = write(
        folder,
        placeholder("size", 3, dtype="DT_INT32"),
        placeholder("boxes", 1, -1, 4),
        node(KIND, "y", "size", "boxes", seed=seed, **RULES),
    )
    made = xir.run(xir.load(path, outputs=["y", "y:1", "y:2"]), {"size": SIZE, "boxes": BOX})
    begin, size, parts = (np.asarray(each) for each in made.values())
    return begin.tolist(), size.tolist(), parts


def test_what_is_asked_of_a_crop_holds(tmp_path: Path) -> None:
    seen: set[tuple[int, ...]] = set()
    for seed in range(1, 25):
        (top, left, first), (height, width, rest), parts = drawn(tmp_path, seed)
        assert (first, rest, parts.shape) == (0, -1, (1, 1, 4))
        assert 0 <= top <= top + height <= 40
        assert 0 <= left <= left + width <= 60
        assert 0.2 * 2400 <= height * width <= 0.6 * 2400
        assert width in {round(ratio * height) for ratio in np.linspace(0.5, 2.0, 200)}
        down, across = min(top + height, 30) - max(top, 10), min(left + width, 36) - max(left, 18)
        assert max(down, 0) * max(across, 0) >= 0.5 * 20 * 18
        edges = [top / 40, left / 60, (top + height) / 40, (left + width) / 60]
        np.testing.assert_allclose(parts.reshape(-1), edges, rtol=1e-6)
        seen.add((top, left, height, width))
    assert len(seen) > 20


def test_the_same_seed_draws_the_same_crop(tmp_path: Path) -> None:
    assert drawn(tmp_path, 7)[:2] == drawn(tmp_path, 7)[:2] != drawn(tmp_path, 8)[:2]


@pytest.mark.parametrize(
    ("told", "boxes", "rules"),
    [
        ("0 attempts", BOX, {"max_attempts": 0}),
        ("1000000 attempts", BOX, {"max_attempts": 1_000_000}),
        ("expected f32[N,M,4]", real(2, 4), {}),
        ("expected two numbers above 0", BOX, {"area_range": [0.0, 1.0]}),
        ("expected two numbers above 0", BOX, {"aspect_ratio_range": [1.0]}),
        ("there are no boxes", np.zeros((1, 0, 4), np.float32), {}),
    ],
)
def test_what_is_refused(tmp_path: Path, told: str, boxes: np.ndarray, rules: dict[str, object]) -> None:
    with pytest.raises(XirError) as error:
        xir.load(write(tmp_path, *case(KIND, fixed(SIZE), boxes, **rules).graph()), outputs=["y"])
    reasons = [problem.reason for problem in getattr(error.value, "problems", ())]
    assert told in "\n".join([error.value.message, *reasons])
