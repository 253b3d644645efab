"""Which operators stay in f32 when a model becomes f16 or bf16, and why."""

from __future__ import annotations

from collections.abc import Mapping

from xir.ir.graph import Graph
from xir.ir.node import Node, Value
from xir.ir.types import DType, TensorType

_RANGE = "its results leave the range of f16 for modest operands: exp(12) > 65504"
_SUM = "it adds many numbers: the sum outgrows 65504, or its terms get lost in 11 (bf16: 8) bits"
_NORM = "it squares, adds and divides by a root: squares above 256 overflow f16, and small variances vanish"
_SOFTMAX = "it adds exponentials, and its results are probabilities that differ by powers of ten"
_LOSS = "it takes logarithms of probabilities and adds them up"
_PLACE = "it computes places in a picture: 11 bits tell 2048 of them apart, 8 bits 256"
_STEP = "an optimizer's step is smaller than the last bit of the weight that it changes"

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (_RANGE, ("exp", "pow", "sinh", "cosh", "softplus", "mish")),
    ("near 0 and 1 it loses every digit that its operand has", ("log", "reciprocal", "atanh", "acosh", "asin", "acos")),
    (
        _SUM,
        (
            "reduce_sum",
            "reduce_mean",
            "reduce_prod",
            "reduce_l1",
            "reduce_l2",
            "reduce_log_sum",
            "reduce_log_sum_exp",
            "reduce_sum_square",
            "reduce_late",
            "cumsum",
            "cumprod",
            "determinant",
            "dft",
            "stft",
            "mel_weight_matrix",
        ),
    ),
    (
        _NORM,
        (
            "batch_norm_train",
            "group_norm",
            "instance_norm",
            "l2_normalize",
            "layer_norm",
            "layer_norm_with_statistics",
            "lp_normalize",
            "lp_pool",
            "lrn",
            "lrn_within",
            "mean_variance_normalize",
            "rms_norm",
        ),
    ),
    (_SOFTMAX, ("softmax", "log_softmax")),
    (
        _LOSS,
        (
            "contrastive_loss",
            "cross_entropy",
            "euclidean_loss",
            "hinge_loss",
            "infogain_loss",
            "l1_loss",
            "l2_loss",
            "multinomial_logistic_loss",
            "negative_log_likelihood",
            "sigmoid_cross_entropy",
            "smooth_l1_loss",
            "softmax_cross_entropy",
        ),
    ),
    (
        _PLACE,
        (
            "affine_grid",
            "deform_conv",
            "detection_output",
            "grid_sample",
            "iota",
            "non_max_suppression",
            "prior_box",
            "proposal",
            "psroi_pool",
            "range",
            "roi_align",
            "roi_pool",
            "rotary_embedding",
            "yolo_boxes",
            "yolo_detection_output",
        ),
    ),
    (_STEP, ("adagrad_step", "adam_step", "momentum_step")),
    (
        "its scales belong to a quantised layer, which a cast between them would take apart",
        ("quantize", "dequantize", "dynamic_quantize", "quantized_conv", "quantized_matmul"),
    ),
    (
        "the thresholds of trees and support vectors are told apart by their last digits",
        ("svm_classifier", "svm_regressor", "tree_ensemble"),
    ),
)

KEPT: Mapping[str, str] = {name: reason for reason, names in _GROUPS for name in names}
"""{operator: why it stays in f32 by default}. The groups are those of mixed-precision training (Micikevicius et al.
2018, section 3.3: large reductions, point-wise exponentials and logarithms) and of torch.amp's list of operators that
cast to f32, with the operators that compute places, which inference has."""

_POINTWISE = frozenset(
    ("abs", "add", "cast", "ceil", "clip", "div", "floor", "identity", "maximum", "minimum", "mod", "mul", "neg")
) | {"round", "select", "sqrt", "sub"}
"""Operators through which sizes and indices are computed in floating point."""

WIDE = (DType.FLOAT32, DType.FLOAT64)
"""The element types that become narrower."""


def is_wide(value: Value | None) -> bool:
    """Whether a value is a tensor of f32 or f64."""
    return value is not None and isinstance(value.type, TensorType) and value.type.dtype in WIDE


def reasons_to_stay(graph: Graph, keep: Mapping[str, str]) -> dict[Node, str]:
    """The nodes that stay as they are, with the reason: those that `keep` names, and the numbers that index.

    Sizes and indices that a model computes in floating point (a picture's height times a factor, rounded) are told by
    where they come from (a cast from integers, of rank 0 or 1) and by where they go to (a cast to integers).
    """
    found: dict[Node, str] = {}
    _mark_sizes(graph, found)
    _mark_indices(graph, found)
    for node in graph.nodes:
        if node.op.name in keep:
            found[node] = keep[node.op.name]
        elif any(_is_dequantized(value) for value in node.inputs):
            found[node] = "it is a quantised layer"
    return found


def _is_dequantized(value: Value | None) -> bool:
    return value is not None and value.node is not None and value.node.op.name == "dequantize"


def _mark_sizes(graph: Graph, found: dict[Node, str]) -> None:
    """Marks what is computed of sizes alone, from the casts on."""
    sizes: set[Value] = set()
    for node in graph.nodes:
        result = node.outputs[0]
        if not isinstance(result.type, TensorType) or result.type.rank > 1 or not is_wide(result):
            continue
        given = [value for value in node.inputs if value is not None and graph.constant_of(value) is None]
        born = node.op.name == "cast" and all(value.dtype.is_integer for value in given)
        if given and (born or all(value in sizes for value in given)):
            sizes.add(result)
            found[node] = "it computes sizes"


def _mark_indices(graph: Graph, found: dict[Node, str]) -> None:
    """Marks what leads to a cast to integers through operators on single elements."""
    wanted: set[Value] = set()
    for node in reversed(graph.nodes):
        to_integer = node.op.name == "cast" and not is_wide(node.outputs[0]) and is_wide(node.inputs[0])
        if to_integer and node.outputs[0].dtype.is_floating:
            continue
        if to_integer or (node.op.name in _POINTWISE and any(value in wanted for value in node.outputs)):
            found.setdefault(node, "it computes indices")
            wanted.update(value for value in node.inputs if value is not None and is_wide(value))
