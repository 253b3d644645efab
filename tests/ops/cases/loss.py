"""Examples of losses over classes, and of accuracy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from tests.ops.cases.arithmetic import FLOATS
from xir.ops.loss import (
    accuracy,
    hinge_loss,
    infogain_loss,
    multinomial_logistic_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)

MODES = ("full", "valid", "batch_size", "none")
LABELS = np.array([[[0, 2], [1, 255]], [[255, 1], [2, 0]]])


def cases() -> Iterator[Case]:
    yield from _softmax()
    probability = np.abs(normal(4, 3, away=0.1))
    gain = np.abs(normal(3, 3, seed=2))
    for ignore_label, mode in ((255, "valid"), (None, "full")):
        labels = LABELS if ignore_label else LABELS % 3
        attributes = {"axis": 1, "ignore_label": ignore_label, "normalization": mode}
        yield case(infogain_loss, normal(2, 3, 2, 2), labels, gain, **attributes).differenced(0)
        yield case(infogain_loss, normal(2, 3, 2, 2), labels, gain.reshape(1, 1, 3, 3), **attributes).differenced(0)
    classes = np.array([2, 0, 1, 1])
    for labels in (classes, classes.astype(np.float32).reshape(4, 1, 1, 1)):
        yield case(multinomial_logistic_loss, probability, labels).differenced(0)
        for norm in ("l1", "l2"):
            yield case(hinge_loss, normal(4, 3, 1, 1), labels, norm=norm).differenced(0)
    yield case(multinomial_logistic_loss, np.zeros((2, 3)), np.array([0, 1])).differenced().noted("no probability")
    yield from (case(hinge_loss, normal(4, 3, dtype=dtype), classes, norm="l2") for dtype in FLOATS)
    yield from (case(multinomial_logistic_loss, np.abs(normal(4, 3, dtype=d, away=0.1)), classes) for d in FLOATS)
    yield from _sigmoid()
    yield from _accuracy()


def _softmax() -> Iterator[Case]:
    for mode in MODES:
        for ignore_label in (None, 255):
            labels = LABELS if ignore_label else LABELS % 3
            yield case(
                softmax_cross_entropy,
                normal(2, 3, 2, 2),
                labels,
                axis=1,
                ignore_label=ignore_label,
                normalization=mode,
            ).differenced(0)
    attributes = {"axis": 1, "ignore_label": None, "normalization": "valid"}
    for dtype in FLOATS:
        yield case(softmax_cross_entropy, normal(4, 3, dtype=dtype), np.array([0, 1, 2, 2]), **attributes)
    floats = np.array([0.0, 1.9, 2.0, -0.5], np.float32).reshape(4, 1, 1, 1)
    yield case(softmax_cross_entropy, normal(4, 3), floats, **attributes).differenced(0).noted("labels in floats")
    yield case(softmax_cross_entropy, normal(2, 3, 4), np.zeros(6, np.int32), **(attributes | {"axis": 2}))
    ignored = attributes | {"ignore_label": 0}
    yield case(softmax_cross_entropy, normal(2, 3), np.zeros(2, np.int64), **ignored).noted("all ignored")
    far = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    yield case(softmax_cross_entropy, far, np.array([1, 1]), **attributes).differenced().noted("no probability")


def _sigmoid() -> Iterator[Case]:
    targets = np.array([[0.0, 1.0, -1.0], [0.3, -1.0, 0.0]], np.float32)
    for mode in MODES:
        for ignore_label in (None, -1):
            yield case(
                sigmoid_cross_entropy, normal(2, 3), targets, ignore_label=ignore_label, normalization=mode
            ).differenced(0)
    plain = {"ignore_label": None, "normalization": "full"}
    far = np.array([[-1000.0, 1000.0, 0.0], [90.0, -90.0, 0.0]])
    yield case(sigmoid_cross_entropy, far, np.abs(targets.astype(np.float64)), **plain).differenced().noted("far")
    for dtype in FLOATS:
        made = case(sigmoid_cross_entropy, normal(2, 3, dtype=dtype), targets.astype(dtype.dtype), **plain)
        yield made.differenced(0)


def _accuracy() -> Iterator[Case]:
    for top_k in (1, 2):
        yield case(accuracy, normal(2, 3, 2, 2), LABELS, axis=1, top_k=top_k, ignore_label=255)
    tied = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0], [np.nan, 1.0, 0.0], [np.inf, np.inf, -np.inf]])
    yield case(accuracy, tied, np.array([0, 2, 0, 2]), axis=1).noted("ties and no numbers")
    yield case(accuracy, normal(2, 3), np.array([7, 7]), axis=1, ignore_label=7).noted("all ignored")
    yield from (case(accuracy, normal(4, 3, dtype=dtype), np.array([0.0, 1.0, 2.0, 2.0]), axis=1) for dtype in FLOATS)
