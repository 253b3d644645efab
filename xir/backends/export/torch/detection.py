"""Forms of what finds objects, and of numbers drawn at random."""

from __future__ import annotations

from xir.backends.export.torch._form import (
    Answer,
    Argument,
    Forms,
    Refusal,
    Say,
    helped,
    operand,
    real,
    size_of,
)
from xir.ir.constant import Constant
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops import random
from xir.ops.detection import non_max_suppression
from xir.ops.labels import one_hot_categories

forms = Forms()


@forms.of(non_max_suppression)
def _non_max_suppression(node: Node) -> Answer:
    """A loop in Python: PyTorch itself suppresses nothing (torchvision does)."""
    boxes, scores, most, overlap, score = node.inputs
    limits: list[Argument] = [size_of(node.attributes["max_per_class"]), real(node, "iou_threshold")]
    threshold = node.attributes["score_threshold"]
    limits.append(threshold if isinstance(threshold, float) else None)
    for place, given in enumerate((most, overlap, score)):
        if given is not None:
            limits[place] = Say(f"{'float' if place else 'int'}({{}})", given)
    return helped("non_max_suppression", boxes, scores, *limits, bool(node.attributes["center"]))


def _drawn(node: Node, function: str, template: str, *numbers: float) -> Answer:
    like, result = node.inputs[0], node.outputs[0]
    shape: Argument = result.shape if like is None else Say("{}.shape", like)
    made = Say(f"torch.{function}({{}}, dtype={{}}, device={{device}})", shape, _computed(result.dtype))
    said = Say(template, made, *numbers)
    return said if _computed(result.dtype) is result.dtype else Say("({}).to({})", said, result.dtype)


def _computed(dtype: DType) -> DType:
    return dtype if dtype in (DType.FLOAT64, DType.FLOAT32) else DType.FLOAT32


@forms.of(random.random_uniform)
def _random_uniform(node: Node) -> Answer:
    """Other numbers than ours, of the same distribution: the seed is PyTorch's own."""
    low, high = real(node, "low"), real(node, "high")
    return _drawn(node, "rand", "{} * {} + {}", high - low, low)


@forms.of(random.random_normal)
def _random_normal(node: Node) -> Answer:
    return _drawn(node, "randn", "{} * {} + {}", real(node, "deviation"), real(node, "mean"))


@forms.of(random.dropout)
def _dropout(node: Node) -> Answer:
    """What is kept, and where."""
    x, ratio, training = node.inputs
    rate: Argument = real(node, "rate") if ratio is None else Say("float({})", ratio)
    return helped("dropout", x, rate, False if training is None else Say("bool({})", training))


@forms.of(one_hot_categories)
def _one_hot_categories(node: Node) -> Answer:
    """Comparison with each category."""
    table = node.attributes["categories"]
    if not isinstance(table, Constant) or table.dtype is DType.STRING:
        return Refusal("PyTorch has no elements of str")
    if not node.attributes["allow_unknown"]:
        return Refusal("an error for unknown categories")
    row = Say("torch.tensor({}, device={device})", [int(item) for item in table.array().reshape(-1).tolist()])
    return Say("({}.unsqueeze(-1) == {}).to({})", operand(node), row, node.outputs[0].dtype)
