"""Support vector machines of ai.onnx.ml; without support vectors they are linear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._scores import (
    DOMAIN,
    Labels,
    labels_of,
    literal,
    rows_of,
    single,
    top,
    transform_of,
    transformed,
)
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Value
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.elementwise import add, select
from xir.ops.matmul import matmul
from xir.ops.svm import Kernel, svm_classifier, svm_regressor

handlers: Handlers[Handler] = Handlers("onnx")

_KERNELS: dict[str, Kernel] = {"LINEAR": "linear", "POLY": "polynomial", "RBF": "rbf", "SIGMOID": "sigmoid"}


@dataclass(frozen=True, slots=True)
class _Shape:
    """The kernel and its parameters."""

    kernel: Kernel
    gamma: float
    shift: float
    degree: float


def _shape(site: Site) -> _Shape:
    numbers = site.reals("kernel_params") or (0.0, 0.0, 0.0)
    if len(numbers) != 3:
        site.invalid(f"attribute 'kernel_params' has {len(numbers)} numbers, expected gamma, coef0 and degree")
    return _Shape(_KERNELS[site.choice("kernel_type", list(_KERNELS), "LINEAR")], *numbers)


def _numbers(site: Site, name: str) -> Array:
    held = site.reals(name)
    if not held:
        site.invalid(f"attribute {name!r} is missing")
    return np.asarray(held, np.float32)


def _folded(site: Site, array: Array, rows: int, what: str) -> Array:
    """The numbers as a table of `rows` rows."""
    if not rows or array.size % rows:
        site.invalid(f"attribute {what!r} has {array.size} numbers, which {rows} rows cannot share")
    return array.reshape(rows, -1)


def _linear(site: Site, x: Value, weights: Array) -> Value:
    """The product with the rows of `weights`, plus the first offset (svmclassifier.cc takes no other)."""
    table = np.ascontiguousarray(weights.T).astype(x.dtype.dtype)
    if isinstance(x.shape[1], int) and x.shape[1] != len(table):
        site.invalid(f"{len(table)} coefficients a class do not fit {x.type!r}")
    scores = matmul(x, literal(table))
    return add(scores, scalar_like(scores, float(_numbers(site, "rho")[0])))


@handlers.layer(*versions("SVMRegressor", 1, domain=DOMAIN))
def regressor(site: Site, x: Value) -> Value:
    """SVMRegressor; with `one_class`, 1 where the score is above 0 and -1 elsewhere."""
    rows, coefficients = rows_of(site, x), _numbers(site, "coefficients")
    count, transform, shape = site.integer("n_supports", 0), transform_of(site), _shape(site)
    if count > 0:
        offset = float(_numbers(site, "rho")[0])
        vectors = _folded(site, _numbers(site, "support_vectors"), count, "support_vectors")
        score = svm_regressor(
            rows,
            vectors=constant_of(vectors),
            coefficients=constant_of(coefficients),
            offset=offset,
            kernel=shape.kernel,
            gamma=shape.gamma,
            shift=shape.shift,
            degree=shape.degree,
        )
    else:
        site.ignore("support_vectors")
        score = _linear(site, rows, coefficients.reshape(1, -1))
    if site.flag("one_class", False):
        above = compare.greater(score, scalar_like(score, 0.0))
        score = select(above, scalar_like(score, 1.0), scalar_like(score, -1.0))
    return single(transformed(score, transform))


@handlers.layer(*versions("SVMClassifier", 1, domain=DOMAIN))
def classifier(site: Site, x: Value) -> tuple[Value, ...]:
    """SVMClassifier: a label, and scores or probabilities.

    The transform is applied to both scores of two classes, as onnx's reference evaluator does (op_svm_classifier.py);
    onnxruntime leaves LOGISTIC out there.
    """
    labels = labels_of(site, "classlabels_ints", "classlabels_strings")
    rows, coefficients = rows_of(site, x), _numbers(site, "coefficients")
    counts, transform = site.integers("vectors_per_class", ()), transform_of(site)
    if sum(counts) > 0:
        label, scores = _with_vectors(site, rows, labels, coefficients, counts)
        return label, transformed(scores, transform)
    site.ignore("support_vectors", "prob_a", "prob_b", "kernel_type", "kernel_params")
    scores = _linear(site, rows, _folded(site, coefficients, len(labels), "coefficients"))
    return labels.chosen(top(scores)), single(transformed(scores, transform))


def _with_vectors(
    site: Site, rows: Value, labels: Labels, coefficients: Array, counts: tuple[int, ...]
) -> tuple[Value, ...]:
    if len(counts) != len(labels):
        site.invalid(f"attribute 'vectors_per_class' has {len(counts)} entries for {len(labels)} labels")
    total, shape = sum(counts), _shape(site)

    def optional(name: str) -> Constant | None:
        numbers = site.reals(name)
        return constant_of(np.asarray(numbers, np.float32)) if numbers else None

    return svm_classifier(
        rows,
        vectors=constant_of(_folded(site, _numbers(site, "support_vectors"), total, "support_vectors")),
        counts=counts,
        coefficients=constant_of(_folded(site, coefficients, len(counts) - 1, "coefficients")),
        offsets=constant_of(_numbers(site, "rho")),
        slopes=optional("prob_a"),
        intercepts=optional("prob_b"),
        labels=constant_of(labels.array),
        kernel=shape.kernel,
        gamma=shape.gamma,
        shift=shape.shift,
        degree=shape.degree,
    )
