"""Linear models and the preparation of features of ai.onnx.ml, as the plain operators that they are."""

from __future__ import annotations

import math

import numpy as np

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers._scores import (
    DOMAIN,
    Labels,
    along_rows,
    beyond,
    labels_of,
    literal,
    rows_of,
    single,
    top,
    transform_of,
    transformed,
)
from xir.ir.constant import Array
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare
from xir.ops._build import scalar_like
from xir.ops.constant import identity
from xir.ops.elementwise import abs_, add, cast, div, is_nan, mul, select, sqrt, sub
from xir.ops.index import gather
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_max, reduce_sum
from xir.ops.shape import broadcast, concat, pad, reshape, slice_

handlers: Handlers[Handler] = Handlers("onnx")


def _weights(site: Site, x: Value, count: int | None) -> Array:
    """The coefficients as [targets, F]."""
    held = np.asarray(site.reals("coefficients") or (), np.float32)
    if not held.size:
        site.invalid("attribute 'coefficients' is missing")
    width = x.shape[1]
    rows = count if count is not None else held.size // width if isinstance(width, int) and width else 1
    if rows < 1 or held.size % rows or (isinstance(width, int) and held.size // rows != width):
        site.invalid(f"{held.size} coefficients of {rows} targets do not fit {x.type!r}")
    return held.reshape(rows, -1)


def _scores(site: Site, x: Value, weights: Array, intercepts: Array) -> Value:
    table = np.ascontiguousarray(weights.T).astype(x.dtype.dtype)
    scores = matmul(x, literal(table))
    if not intercepts.size:
        return scores
    if intercepts.size != len(weights):
        site.invalid(f"{intercepts.size} intercepts for {len(weights)} targets")
    return add(scores, along_rows(intercepts, scores))


def _intercepts(site: Site) -> Array:
    return np.asarray(site.reals("intercepts") or (), np.float32)


@handlers.layer(*versions("LinearRegressor", 1, domain=DOMAIN))
def linear_regressor(site: Site, x: Value) -> Value:
    """LinearRegressor: coefficients of each target, one after the other."""
    rows = rows_of(site, x)
    weights = _weights(site, rows, site.integer("targets", 1))
    return single(transformed(_scores(site, rows, weights, _intercepts(site)), transform_of(site)))


@handlers.layer(*versions("LinearClassifier", 1, domain=DOMAIN))
def linear_classifier(site: Site, x: Value) -> tuple[Value, ...]:
    """LinearClassifier: the label of the highest score, and the scores.

    One score for two classes is that of the second; the first has its negative (onnx's reference evaluator,
    op_linear_classifier.py). With one label, 1 stands for a score above 0 and 0 for others (onnxruntime,
    linearclassifier.cc). `multi_class` tells how the model was trained and changes nothing.
    """
    site.ignore("multi_class")
    labels = labels_of(site, "classlabels_ints", "classlabels_strings")
    rows, intercepts = rows_of(site, x), _intercepts(site)
    weights = _weights(site, rows, int(intercepts.size) or None)
    if len(weights) == 1 and len(labels) == 2:
        weights = np.concatenate((np.negative(weights), weights))
        intercepts = np.concatenate((np.negative(intercepts), intercepts))
    scores = _scores(site, rows, weights, intercepts)
    both = single(transformed(scores, transform_of(site)))
    if len(weights) == 1 and len(labels) == 1:
        known = Labels(np.array(["0", "1"], object)) if labels.array.dtype == object else Labels(np.arange(2))
        return known.chosen(beyond(scores, 0.0)), both
    if len(weights) > len(labels):
        site.invalid(f"{len(weights)} scores, but {len(labels)} labels")
    return labels.chosen(top(scores)), both


def _per_feature(site: Site, name: str, x: Value, default: float) -> Value:
    """One number for all features or one for each, laid along the last axis of `x`."""
    held = np.asarray(site.reals(name) or (default,)).astype(x.dtype.dtype)
    if held.size == 1:
        return _everywhere(held.reshape(()), x)
    last = x.shape[-1] if x.rank else 1
    if isinstance(last, int) and last != held.size:
        site.invalid(f"attribute {name!r} has {held.size} numbers for {last} features")
    return _everywhere(held, x)


@handlers.layer(*versions("Scaler", 1, domain=DOMAIN))
def scaler(site: Site, x: Value) -> Value:
    """Scaler: (x - offset) * scale, in f32, or in f64 where the features are."""
    floats = x if x.dtype in (DType.FLOAT32, DType.FLOAT64) else cast(x, dtype=DType.FLOAT32)
    moved = sub(floats, _per_feature(site, "offset", floats, 0.0))
    return single(mul(moved, _per_feature(site, "scale", floats, 1.0)))


@handlers.layer(*versions("Normalizer", 1, domain=DOMAIN))
def normalizer(site: Site, x: Value) -> Value:
    """Normalizer: each row by its largest element, its sum of absolute values, or its length; 0 divides nothing.

    The largest element keeps its sign: the words are 'X / max(X)', and onnxruntime does so (normalizer.cc).
    """
    norm = site.choice("norm", ("MAX", "L1", "L2"), "MAX")
    rows = rows_of(site, x)
    match norm:
        case "MAX":
            size = reduce_max(rows, axes=(1,), keep_dims=True)
        case "L1":
            size = reduce_sum(abs_(rows), axes=(1,), keep_dims=True)
        case _:
            size = sqrt(reduce_sum(mul(rows, rows), axes=(1,), keep_dims=True))
    nothing = compare.equal(size, scalar_like(size, 0.0))
    divisor = select(nothing, scalar_like(size, 1.0), size)
    result = single(div(rows, broadcast(divisor, shape=rows.shape)))
    return result if x.rank == 2 else reshape(result, shape=x.shape)


@handlers.layer(*versions("Binarizer", 1, domain=DOMAIN))
def binarizer(site: Site, x: Value) -> Value:
    """Binarizer: 1 where x is above the threshold, else 0; whole numbers are above it if they are above its floor."""
    threshold = site.real("threshold", 0.0)
    if x.dtype.is_integer:
        most = (1 << (x.dtype.bits - 1)) - 1
        if not math.isfinite(threshold) or not -most - 1 <= math.floor(threshold) <= most:
            return scalar_like(x, 1.0 if threshold < 0 else 0.0)
        limit = _everywhere(np.asarray(math.floor(threshold)), x)
    else:
        limit = scalar_like(x, threshold)
    return cast(compare.greater(x, limit), dtype=x.dtype)


@handlers.layer(*versions("Imputer", 1, domain=DOMAIN))
def imputer(site: Site, x: Value) -> Value:
    """Imputer: what equals one value (or is NaN) becomes another, one for all features or one for each."""
    if x.dtype.is_integer:
        site.ignore("replaced_value_float", "imputed_value_floats")
        made = np.asarray(site.integers("imputed_value_int64s", ())).astype(x.dtype.dtype)
        old: float = site.integer("replaced_value_int64", 0)
    else:
        site.ignore("replaced_value_int64", "imputed_value_int64s")
        made = np.asarray(site.reals("imputed_value_floats") or ()).astype(x.dtype.dtype)
        old = site.real("replaced_value_float", 0.0)
    last = x.shape[-1] if x.rank else 1
    if not made.size or (made.size > 1 and isinstance(last, int) and made.size != last):
        site.invalid(f"{made.size} imputed values for {last} features of {x.dtype}")
    found = is_nan(x) if math.isnan(old) else compare.equal(x, _everywhere(np.asarray(old), x))
    return select(found, _everywhere(made.reshape(()) if made.size == 1 else made, x), x)


def _everywhere(held: Array, like: Value) -> Value:
    """One number, or one a feature, repeated to the shape of `like`, in its element type."""
    made = literal(held.astype(like.dtype.dtype))
    return broadcast(made, shape=like.shape) if made.shape != like.shape else made


@handlers.layer(*versions("FeatureVectorizer", 1, domain=DOMAIN))
def feature_vectorizer(site: Site, *parts: Value) -> Value:
    """FeatureVectorizer: the features side by side in f32, each cut or filled with 0 to its declared number."""
    sizes = site.integers("inputdimensions", ())
    if not parts or len(sizes) not in (0, len(parts)):
        site.invalid(f"{len(sizes)} inputdimensions for {len(parts)} inputs")
    made = [single(rows_of(site, part)) for part in parts]
    cut = [_fitted(site, part, size) for part, size in zip(made, sizes, strict=True)] if sizes else made
    return concat(*cut, axis=1) if len(cut) > 1 else cut[0]


def _fitted(site: Site, x: Value, size: int) -> Value:
    width = x.shape[1]
    if not isinstance(width, int):
        site.refuse("a number of features that is not known", "fix it with --input NAME=f32[N,3]")
    if size < 0:
        site.invalid(f"attribute 'inputdimensions' has {size}")
    if size < width:
        return slice_(x, axes=(1,), starts=(0,), stops=(size,), steps=(1,))
    return pad(x, padding=((0, 0), (0, size - width))) if size > width else x


@handlers.layer(*versions("ArrayFeatureExtractor", 1, domain=DOMAIN))
def array_feature_extractor(site: Site, x: Value, indices: Value) -> Value:
    """ArrayFeatureExtractor: elements of the last axis; a vector is one row (onnxruntime, onnx's evaluator)."""
    if not x.rank:
        site.invalid("the data must have an axis")
    flat = indices
    if indices.rank != 1:
        count: Dim = 1
        for size in indices.shape:
            count = count * size
        flat = reshape(indices, shape=(count,))
    rows = identity(x) if x.rank > 1 else reshape(x, shape=(1, x.shape[0]))
    return gather(rows, flat, axis=rows.rank - 1)
