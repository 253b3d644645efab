"""Examples of support vector machines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case, normal
from xir.ir.constant import constant_of
from xir.ir.types import DType
from xir.ops.svm import svm_classifier, svm_regressor

KERNELS = ("linear", "polynomial", "rbf", "sigmoid")
WORDS = np.array(["a", "b", "c", "d"], object)


def shape(kernel: str) -> dict[str, object]:
    return {"kernel": kernel, "gamma": 0.25, "shift": 0.5, "degree": 3.0}


def regressor(kernel: str) -> dict[str, object]:
    tables = {"vectors": constant_of(normal(5, 4, seed=1)), "coefficients": constant_of(normal(5, seed=2))}
    return {**shape(kernel), **tables, "offset": 0.125}


def classifier(kernel: str, *counts: int, odds: bool = False, words: bool = False) -> dict[str, object]:
    classes, total = len(counts), sum(counts)
    duels = classes * (classes - 1) // 2
    labels = WORDS[:classes] if words else np.arange(10, 10 + classes)
    return {
        **shape(kernel),
        "vectors": constant_of(normal(total, 4, seed=1)),
        "counts": counts,
        "coefficients": constant_of(normal(classes - 1, total, seed=2)),
        "offsets": constant_of(normal(duels, seed=3)),
        "slopes": constant_of(normal(duels, seed=4)) if odds else None,
        "intercepts": constant_of(normal(duels, seed=5)) if odds else None,
        "labels": constant_of(labels),
    }


def cases() -> Iterator[Case]:
    for kernel in KERNELS:
        yield case(svm_regressor, normal(6, 4), **regressor(kernel)).differenced().noted(kernel).within(2e-4)
        yield case(svm_classifier, normal(6, 4), **classifier(kernel, 2, 3)).noted(kernel)
    yield case(svm_regressor, normal(3, 4, dtype=DType.FLOAT64), **regressor("rbf")).differenced().within(2e-4)
    yield case(svm_regressor, normal(0, 4), **regressor("rbf")).differenced().noted("no rows")
    yield case(svm_classifier, normal(6, 4), **classifier("rbf", 2, 3, 1, words=True)).noted("words")
    yield case(svm_classifier, normal(6, 4), **classifier("rbf", 2, 3, odds=True)).noted("two, probabilities")
    yield case(svm_classifier, normal(6, 4), **classifier("rbf", 2, 0, 1, 2, odds=True)).noted("probabilities")
