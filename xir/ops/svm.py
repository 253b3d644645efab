"""Support vector machines: what rows have in common with support vectors, weighted and compared.

Sources: LIBSVM (C.-C. Chang, C.-J. Lin, 'LIBSVM: a library for support vector machines', 2011) and onnxruntime,
core/providers/cpu/ml/svmclassifier.cc and svmregressor.cc, for the order of coefficients; ONNX names only the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from xir.errors import InvalidModelError
from xir.ir.constant import Array, Constant, constant_of
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops._checks import require_dtype, require_rank, require_size
from xir.ops._define import op
from xir.ops._windows import Numbers
from xir.ops.activation import tanh
from xir.ops.constant import constant
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_sum
from xir.ops.shape import broadcast, reshape

Kernel = Literal["linear", "polynomial", "rbf", "sigmoid"]
Doubles = NDArray[np.float64]

_BLOCK = 1 << 20
"""Numbers of differences between rows and vectors that are in memory at once."""

_LEAST = 1e-7
"""How near to 0 and 1 the probability of one class against another may come (LIBSVM, svm.cpp, min_prob)."""


def _require_table(table: Constant, shape: tuple[int, ...], what: str) -> None:
    if table.dtype is not DType.FLOAT32 or table.shape != shape:
        raise InvalidModelError(f"{what} must be f32{list(shape)}, got {table.type!r}")


def _require_rows(x: Value, vectors: Constant) -> int:
    """Checks rows and support vectors; the number of vectors."""
    require_dtype(x, DType.FLOAT32, DType.FLOAT64)
    require_rank(x, 2)
    if vectors.dtype is not DType.FLOAT32 or len(vectors.shape) != 2:
        raise InvalidModelError(f"vectors must be f32 of two axes, got {vectors.type!r}")
    require_size(x.shape[1], vectors.shape[1], "the number of features")
    return vectors.shape[0]


def _doubles(table: Constant) -> Doubles:
    return table.array().astype(np.float64)


def _compared(x: Doubles, vectors: Doubles, kernel: Kernel, gamma: float, shift: float, degree: float) -> Doubles:
    """The kernel of each row with each vector: [N, vectors]."""
    match kernel:
        case "linear":
            return x @ vectors.T
        case "polynomial":
            return np.power(gamma * (x @ vectors.T) + shift, degree)
        case "sigmoid":
            return np.tanh(gamma * (x @ vectors.T) + shift)
        case "rbf":
            return np.concatenate([_distances(rows, vectors, gamma) for rows in _blocks(x, vectors)])


def _blocks(x: Doubles, vectors: Doubles) -> Iterator[Doubles]:
    step = max(_BLOCK // max(vectors.size, 1), 1)
    for start in range(0, max(len(x), 1), step):
        yield x[start : start + step]


def _distances(x: Doubles, vectors: Doubles, gamma: float) -> Doubles:
    return cast("Doubles", np.exp(-gamma * np.square(x[:, None, :] - vectors[None]).sum(axis=2)))


@op
def svm_regressor(
    x: Value,
    *,
    vectors: Constant,
    coefficients: Constant,
    offset: float,
    kernel: Kernel,
    gamma: float,
    shift: float,
    degree: float,
) -> TensorType:
    """The sum of kernels with the support vectors, weighted, plus `offset` (ONNX SVMRegressor with support vectors).

    x: [N, F], f32 or f64; vectors: f32[S, F]; coefficients: f32[S]; result: f32[N, 1]. The kernels of a row u and a
    vector v: u.v, (gamma * u.v + shift) ^ degree, exp(-gamma * |u - v|^2), tanh(gamma * u.v + shift).
    """
    _require_table(coefficients, (_require_rows(x, vectors),), "coefficients")
    return TensorType(DType.FLOAT32, (x.shape[0], 1))


@svm_regressor.reference
def _svm_regressor_reference(
    x: Numbers,
    *,
    vectors: Constant,
    coefficients: Constant,
    offset: float,
    kernel: Kernel,
    gamma: float,
    shift: float,
    degree: float,
) -> Array:
    held = _compared(x.astype(np.float64), _doubles(vectors), kernel, gamma, shift, degree)
    return (held @ _doubles(coefficients) + offset).astype(np.float32).reshape(len(x), 1)


def _kernel(x: Value, vectors: Constant, kernel: Kernel, gamma: float, shift: float, degree: float) -> Value:
    """The kernel of each row with each vector, of simpler operators: [N, vectors]."""
    table = vectors.array().astype(x.dtype.dtype)
    if kernel == "rbf":
        shape = (x.shape[0], *table.shape)
        rows = broadcast(reshape(x, shape=(x.shape[0], 1, x.shape[1])), shape=shape)
        apart = elementwise.sub(rows, broadcast(constant(value=constant_of(table[None])), shape=shape))
        squares = reduce_sum(elementwise.mul(apart, apart), axes=(2,), keep_dims=False)
        return elementwise.exp(elementwise.mul(squares, scalar_like(squares, -gamma)))
    dot = matmul(x, constant(value=constant_of(np.ascontiguousarray(table.T))))
    if kernel == "linear":
        return dot
    bent = elementwise.add(elementwise.mul(dot, scalar_like(dot, gamma)), scalar_like(dot, shift))
    return tanh(bent) if kernel == "sigmoid" else elementwise.pow_(bent, scalar_like(bent, degree))


@svm_regressor.decompose
def _svm_regressor_decompose(
    x: Value,
    *,
    vectors: Constant,
    coefficients: Constant,
    offset: float,
    kernel: Kernel,
    gamma: float,
    shift: float,
    degree: float,
) -> Value:
    held = _kernel(x, vectors, kernel, gamma, shift, degree)
    weights = coefficients.array().astype(x.dtype.dtype).reshape(-1, 1)
    total = matmul(held, constant(value=constant_of(weights)))
    result = elementwise.add(total, scalar_like(total, offset))
    return result if result.dtype is DType.FLOAT32 else elementwise.cast(result, dtype=DType.FLOAT32)


@op
def svm_classifier(
    x: Value,
    *,
    vectors: Constant,
    counts: tuple[int, ...],
    coefficients: Constant,
    offsets: Constant,
    slopes: Constant | None,
    intercepts: Constant | None,
    labels: Constant,
    kernel: Kernel,
    gamma: float,
    shift: float,
    degree: float,
) -> tuple[TensorType, TensorType]:
    """The class that wins most duels, and the scores (ONNX SVMClassifier with support vectors).

    x: [N, F], f32 or f64; vectors: f32[S, F], those of class 0 first, `counts` for each class; coefficients:
    f32[classes - 1, S]; offsets: f32[duels], one for each pair of classes (0, 1), (0, 2) ... (1, 2) ...; labels:
    [classes], i64 or text. Kernels as in `svm_regressor`. Results: labels [N], and scores in f32: with `slopes` and
    `intercepts`, f32[duels], the probability of each class (Platt's sigmoids, joined by pairwise coupling: T.-F. Wu,
    C.-J. Lin, R. C. Weng, 2004); else, of two classes, minus the duel's score and the score; else the score of each
    duel. A score above 0 speaks for the first of the two classes.
    """
    classes, held = len(counts), _require_rows(x, vectors)
    if classes < 2 or any(count < 0 for count in counts) or sum(counts) != held:
        raise InvalidModelError(f"two or more classes must share the {held} vectors, got {list(counts)}")
    duels = classes * (classes - 1) // 2
    _require_table(coefficients, (classes - 1, held), "coefficients")
    for table, what in ((offsets, "offsets"), (slopes, "slopes"), (intercepts, "intercepts")):
        if table is not None:
            _require_table(table, (duels,), what)
    if (slopes is None) != (intercepts is None):
        raise InvalidModelError("slopes and intercepts belong together")
    if labels.shape != (classes,) or labels.dtype not in (DType.INT64, DType.STRING):
        raise InvalidModelError(f"labels must be {classes} whole numbers or words, got {labels.type!r}")
    width = classes if slopes is not None or classes == 2 else duels
    return TensorType(labels.dtype, (x.shape[0],)), TensorType(DType.FLOAT32, (x.shape[0], width))


def _duels(classes: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(classes) for j in range(i + 1, classes)]


def _weights(coefficients: Doubles, counts: tuple[int, ...]) -> Doubles:
    """What each vector counts in each duel: [S, duels]; row j - 1 of the table is class i's against class j."""
    ends = np.cumsum(counts)
    spans = [slice(int(end) - count, int(end)) for end, count in zip(ends, counts, strict=True)]
    pairs = _duels(len(counts))
    weights = np.zeros((coefficients.shape[1], len(pairs)))
    for duel, (i, j) in enumerate(pairs):
        weights[spans[i], duel] = coefficients[j - 1, spans[i]]
        weights[spans[j], duel] = coefficients[i, spans[j]]
    return weights


def _probabilities(scores: Doubles, slopes: Doubles, intercepts: Doubles, classes: int) -> Doubles:
    """The probability of each class: Platt's sigmoid of each duel, then pairwise coupling (LIBSVM, svm.cpp)."""
    bent = scores * slopes + intercepts
    odds = np.where(bent >= 0, np.exp(-np.abs(bent)), 1.0) / (1.0 + np.exp(-np.abs(bent)))
    won = np.clip(odds, _LEAST, 1 - _LEAST)
    table = np.zeros((len(scores), classes, classes))
    for duel, (i, j) in enumerate(_duels(classes)):
        table[:, i, j], table[:, j, i] = won[:, duel], 1 - won[:, duel]
    return _coupled(table)


def _coupled(won: Doubles) -> Doubles:
    """The probabilities that explain those of the duels best (algorithm 2 of Wu, Lin and Weng; LIBSVM's limits)."""
    rows, classes = won.shape[:2]
    q = -np.swapaxes(won, 1, 2) * won
    diagonal = np.square(won).sum(axis=1)
    q[:, range(classes), range(classes)] = diagonal
    p = np.full((rows, classes), 1.0 / classes)
    active: NDArray[np.int64] = np.arange(rows, dtype=np.int64)
    for _ in range(max(100, classes)):
        qp = np.einsum("nij,nj->ni", q[active], p[active])
        pqp = (p[active] * qp).sum(axis=1)
        going = np.abs(qp - pqp[:, None]).max(axis=1, initial=0.0) >= 0.005 / classes
        active, qp, pqp = active[going], qp[going], pqp[going]
        if not active.size:
            break
        for t in range(classes):
            own = diagonal[active, t]
            step = (pqp - qp[:, t]) / own
            p[active, t] += step
            pqp = (pqp + step * (step * own + 2 * qp[:, t])) / (1 + step) ** 2
            qp = (qp + step[:, None] * q[active, t]) / (1 + step)[:, None]
            p[active] /= (1 + step)[:, None]
    return p


@svm_classifier.reference
def _svm_classifier_reference(
    x: Numbers,
    *,
    vectors: Constant,
    counts: tuple[int, ...],
    coefficients: Constant,
    offsets: Constant,
    slopes: Constant | None,
    intercepts: Constant | None,
    labels: Constant,
    kernel: Kernel,
    gamma: float,
    shift: float,
    degree: float,
) -> tuple[Array, ...]:
    classes = len(counts)
    held = _compared(x.astype(np.float64), _doubles(vectors), kernel, gamma, shift, degree)
    scores = held @ _weights(_doubles(coefficients), counts) + _doubles(offsets)
    votes = np.zeros((len(x), classes), np.int64)
    for duel, (i, j) in enumerate(_duels(classes)):
        first = scores[:, duel] > 0
        votes[:, i] += first
        votes[:, j] += ~first
    chosen = labels.array()[np.argmax(votes, axis=1)]
    if slopes is not None and intercepts is not None:
        scores = _probabilities(scores, _doubles(slopes), _doubles(intercepts), classes)
    elif classes == 2:
        scores = np.concatenate((-scores, scores), axis=1)
    return chosen, scores.astype(np.float32)


svm_classifier.host("the coupling of probabilities goes on until it has converged, and labels may be text")
svm_classifier.no_gradient("a label is no number, and the coupling of probabilities has no derivative rule yet")
