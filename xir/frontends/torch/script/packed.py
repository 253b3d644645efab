"""Layers and activations of quantised tensors, `quantized.*` (aten/src/ATen/native/quantized/library.cpp).

Weights lie packed in the archive. What a layer makes is computed in f32 and quantised once (quantized.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xir.errors import InvalidModelError
from xir.frontends.torch.pickles.objects import as_tuple
from xir.frontends.torch.script.quantized import (
    Form,
    Items,
    Named,
    Quantized,
    Rule,
    Weight,
    bound,
    form_of,
    number_of,
    real_of,
    requantized,
    rounded,
)
from xir.frontends.torch.script.values import is_list, is_number, is_sequence, told
from xir.frontends.torch.tensor import Tensor
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import compare, elementwise
from xir.ops.reduce import reduce_max, reduce_min

if TYPE_CHECKING:
    from xir.frontends.torch.script.interpreter import Interpreter

LINEAR = "__torch__.torch.classes.quantized.LinearPackedParamsBase"
"""What an archive holds of a linear layer: its weights and its bias (fbgemm_utils.cpp, `register_linear_params`)."""

EMBEDDING = "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase"
"""What it holds of an embedding (fbgemm_utils.cpp, `register_embedding_params`)."""


CONVOLUTION = re.compile(r"__torch__\.torch\.classes\.quantized\.Conv[23]dPackedParamsBase")
"""What it holds of a convolution (fbgemm_utils.cpp, `register_conv_params`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Weights and settings of a layer.

    Attributes:
        weight: as the archive holds it; real numbers where a layer rounds them to half precision alone.
        bias: f32, or None.
        settings: of a convolution: strides, padding, (of a transposed one what is added behind), dilation, groups.
    """

    weight: Weight | Tensor
    bias: Tensor | None
    settings: tuple[object, ...] = ()

    def operands(self, interpreter: Interpreter) -> list[object]:
        """The weight, the bias and the settings as PyTorch's operator of the layer takes them."""
        weight = self.weight.real(interpreter) if isinstance(self.weight, Weight) else self.weight
        settings = self.settings
        if len(settings) == _TRANSPOSED:  # torch.conv_transpose2d takes groups before dilation
            settings = (*settings[:3], settings[4], settings[3])
        return [weight, self.bias, *settings]


def _operands(interpreter: Interpreter, layer: object, operator: str) -> list[object]:
    """What an operator takes; of a convolution over one axis, which may be packed as one over two, the last of them."""
    weight, bias, *settings = _packed(layer).operands(interpreter)
    if operator.endswith("1d") and isinstance(weight, Tensor) and weight.value.rank == _PLANE:
        weight = interpreter.operator("torch.squeeze", [weight, 2], {})
        settings = [each[-1:] if is_list(each) else each for each in settings]
    return [weight, bias, *settings]


_PLANE = 4
"""Axes of the weight of a convolution over two axes."""

_TRANSPOSED = 5
"""How many settings a transposed convolution has."""


def packed_linear(state: object) -> Packed:
    """The weights of a linear layer from what the archive holds of it.

    Raises:
        InvalidModelError: it holds something else.
    """
    match state:
        case (Weight() | Tensor() as weight, None | Tensor() as bias):
            return Packed(weight, bias)
        case _:
            raise InvalidModelError(f"a packed linear layer holds {told(state)}")


def packed_convolution(numbers: Sequence[int], weight: object, bias: object) -> Packed:
    """The weights of a convolution, and its settings from one row (conv_serialization.h, `serialize_conv`).

    Args:
        numbers: how many axes; strides, padding, dilation and what is added behind, for each axis; groups; whether it
            is transposed.
        weight: quantised.
        bias: f32, or None.

    Raises:
        InvalidModelError: the archive holds something else.
    """
    axes = numbers[0] if numbers else 0
    if axes < 1 or len(numbers) != 4 * axes + 3:
        raise InvalidModelError(f"a packed convolution has {len(numbers)} settings")
    strides, padding, dilation, behind = (list(numbers[1 + axes * k : 1 + axes * (k + 1)]) for k in range(4))
    groups, transposed = numbers[-2:]
    settings = (strides, padding, behind, dilation, groups) if transposed else (strides, padding, dilation, groups)
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Tensor)):
        raise InvalidModelError(f"a packed convolution holds {told(weight)} and {told(bias)}")
    return Packed(weight, bias, settings)


def packed_embedding(state: object) -> Packed:
    """The table of an embedding from (version, tensors, real numbers, integers: bits of an element).

    Raises:
        InvalidModelError: it holds something else.
    """
    held = [part for item in as_tuple(state) or () for part in (item if is_list(item) else (item,))]
    for part in held:
        if isinstance(part, Weight):
            return Packed(part, None)
    raise InvalidModelError(f"a packed embedding holds {told(state)}")


def _prepared(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`conv2d_prepack(weight, bias, strides, padding, dilation, groups)`, `linear_prepack(weight, bias)`."""
    weight, bias, *settings = [*items, None] if len(items) == 1 else items
    if not isinstance(weight, Weight) or not (bias is None or isinstance(bias, Tensor)):
        raise InvalidModelError(f"a layer is packed of {told(weight)} and {told(bias)}")
    return Packed(weight, bias, tuple(settings))


def _prepared_half(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`linear_prepack_fp16(weight, bias)`: the weight is rounded to f16."""
    weight, bias = [*items, None][:2]
    if not isinstance(weight, Tensor):
        raise InvalidModelError(f"a layer is packed of {told(weight)} and {told(bias)}")
    half = interpreter.operator("torch.to", [interpreter.operator("torch.to", [weight, 5], {}), 6], {})
    return packed_linear((half, bias))


def _packed(item: object) -> Packed:
    if not isinstance(item, Packed):
        raise InvalidModelError(f"packed weights are needed, got {told(item)}")
    return item


def _layer(operator: str, after: str | None = None, *, added: bool = False) -> Rule:
    """A layer of packed weights, whose result is quantised.

    Args:
        operator: what it computes.
        after: an activation of what it computes.
        added: whether a further quantised tensor, the second argument, is added before.
    """

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, *others = items
        addend = others.pop(0) if added else None
        layer, scale, zero, *slope = [others[0], *others[-2:]] if len(others) > _MOST else others
        operands = _operands(interpreter, layer, operator)
        real: object = interpreter.operator(operator, [Tensor(real_of(x)), *operands], {})
        if added:
            real = interpreter.operator("torch.add", [real, Tensor(real_of(addend))], {})
        if after is not None:
            real = interpreter.operator(after, [real, *slope], {})
        return requantized(interpreter, real, False, scale, zero)

    return rule


_MOST = 4
"""Arguments after the first of the layers that do not say the settings of their packed weights again."""


def _pair(operator: str, relu: bool) -> Rule:
    """`add(a, b, scale, zero_point)` and `mul`; with a number, `add_scalar`."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        if any(map(is_number, items[:2])):
            return _with_number(operator, relu)(interpreter, items, named)
        a, b, scale, zero = bound(items, named, "qa", "qb", "scale", "zero_point")
        real = interpreter.operator(operator, [Tensor(real_of(a)), Tensor(real_of(b))], {})
        return requantized(interpreter, real, relu, scale, zero)

    return rule


def _with_number(operator: str, relu: bool) -> Rule:
    """A number added to, or times, a quantised tensor: what its elements mean changes (qadd.cpp, qmul.cpp)."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, other = items[:2] if not is_number(items[0]) else (items[1], items[0])
        number, form = number_of(interpreter, other, "a number"), form_of(x)
        if operator == "torch.add":
            number = round(number / form.scale) * form.scale
            made = _shifted(form, round(number / form.scale))
        else:
            made = _stretched(form, number)
        real = interpreter.operator(operator, [Tensor(real_of(x)), number], {})
        if relu:
            real = interpreter.operator("torch.relu", [real], {})
        if not isinstance(real, Tensor):
            raise InvalidModelError(f"{told(real)} in place of a tensor")
        with interpreter.sourced("quantized"):
            return rounded(interpreter, real.value, made)

    return rule


def _ends(form: Form) -> tuple[int, int]:
    """The smallest and the largest whole number."""
    return (-128, 127) if form.code == 12 else (0, 255)


def _shifted(form: Form, steps: int) -> Form:
    """How a tensor is held to which so many steps are added."""
    low, high = _ends(form)
    zero = form.zero_point - steps
    if low > zero:
        return Form((high - zero) / (high - low) * form.scale, low, form.code)
    if high < zero:
        return Form((zero - low) / (high - low) * form.scale, high, form.code)
    return Form(form.scale, zero, form.code)


def _stretched(form: Form, factor: float) -> Form:
    """How a tensor is held that was multiplied."""
    low, high = _ends(form)
    if factor == 0:
        return Form(1.0, 0, form.code)
    return Form(abs(factor) * form.scale, form.zero_point if factor > 0 else high - (form.zero_point - low), form.code)


def _joined(relu: bool) -> Rule:
    """`cat(tensors, axis, scale, zero_point)`; without these two as the first tensor is held."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        parts, axis, scale, zero = [*bound(items, named, "qx", "dim", "scale", "zero_point"), None, None][:4]
        if not is_sequence(parts) or not parts:
            raise InvalidModelError("no tensors are joined")
        if scale is None:
            scale, zero = form_of(parts[0]).scale, form_of(parts[0]).zero_point
        real = interpreter.operator("torch.cat", [[Tensor(real_of(part)) for part in parts], axis], {})
        return requantized(interpreter, real, relu, scale, zero)

    return rule


@dataclass(frozen=True, slots=True)
class _Step:
    """An operator of a quantised tensor that says how its result is held.

    Attributes:
        operator: what it computes of real numbers.
        names: its arguments in order; the first is the tensor, and of those called `scale` and `zero` the form is made.
        takes: what `operator` takes after the tensor: names of arguments, and literals.
        defaults: of arguments that may be missing.
        relu: whether the result is at least 0.
    """

    operator: str
    names: tuple[str, ...]
    takes: tuple[object, ...] = ()
    defaults: tuple[tuple[str, object], ...] = ()
    relu: bool = False

    def __call__(self, interpreter: Interpreter, items: Items, named: Named) -> object:
        """What it makes, held as the arguments say."""
        known = {"output_scale": "scale", "output_zero_point": "zero"}
        given = dict(self.defaults) | dict(zip(self.names, items, strict=False))
        given |= {known.get(name, name): item for name, item in named.items()}
        missing = [name for name in self.names if name not in given]
        if missing:
            raise InvalidModelError(f"{self.operator} of a quantised tensor lacks {', '.join(missing)}")
        others = [given[name] if isinstance(name, str) else name for name in self.takes]
        others = [Tensor(item.value) if isinstance(item, Quantized) else item for item in others]
        real = interpreter.operator(self.operator, [Tensor(real_of(given[self.names[0]])), *others], {})
        return requantized(interpreter, real, self.relu, given["scale"], given["zero"])


def _norm(*names: str) -> tuple[str, ...]:
    return ("x", *names, "scale", "zero")


def _as_torch(operator: str, count: int | None = None) -> Rule:
    """PyTorch's own operator of the first arguments, whose result is held as the operand is."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        return interpreter.operator(operator, items[:count], named if count is None else {})

    return rule


def _dynamic(operator: str, after: str | None = None) -> Rule:
    """`linear_dynamic(x, packed, reduce_range)`: x is quantised by its own range (quant_utils.h)."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        x, layer, reduced = [*bound(items, named, "X", "W_prepack", "reduce_range"), False][:3]
        if not isinstance(x, Tensor):
            raise InvalidModelError(f"{told(x)} in place of a tensor")
        with interpreter.sourced("quantized.linear_dynamic"):
            real = by_range(interpreter, x.value, 127 if reduced else 255)
        made = interpreter.operator(operator, [Tensor(real), *_operands(interpreter, layer, operator)], {})
        return interpreter.operator(after, [made], {}) if after is not None else made

    return rule


def _half(after: str | None = None) -> Rule:
    """`linear_dynamic_fp16(x, packed)`: a layer whose weights were rounded to f16."""

    def rule(interpreter: Interpreter, items: Items, named: Named) -> object:
        made = interpreter.operator("torch.linear", [items[0], *_packed(items[1]).operands(interpreter)], {})
        return interpreter.operator(after, [made], {}) if after is not None else made

    return rule


def by_range(interpreter: Interpreter, x: Value, most: int) -> Value:
    """Whole numbers from 0 to `most` that span the range and 0, and back (`ChooseQuantizationParams`)."""
    call = interpreter.call
    none, axes = call.scalar(0, x.dtype), tuple(range(x.rank))
    low = elementwise.minimum(reduce_min(x, axes=axes, keep_dims=False), none)
    high = elementwise.maximum(reduce_max(x, axes=axes, keep_dims=False), none)
    scale = elementwise.div(elementwise.sub(high, low), call.scalar(most, x.dtype))
    scale = elementwise.select(compare.greater(scale, none), scale, call.scalar(0.1, x.dtype))
    zero = elementwise.round_(elementwise.div(elementwise.neg(low), scale))
    step, offset, bottom, top = (
        call.repeated(each, x.shape) for each in (scale, zero, none, call.scalar(most, x.dtype))
    )
    numbers = elementwise.add(elementwise.round_(elementwise.div(x, step)), offset)
    kept = elementwise.minimum(elementwise.maximum(numbers, bottom), top)
    return elementwise.mul(elementwise.sub(kept, offset), step)


def _embedded(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`embedding_byte(packed, indices)` and `embedding_4bit`: rows of a table, as real numbers."""
    layer, indices = bound(items, named, "weight", "indices")[:2]
    return interpreter.operator("torch.embedding", [_table(interpreter, layer), indices], {})


def _table(interpreter: Interpreter, layer: object) -> Tensor:
    """The rows of an embedding; those of 4 bits have scales and offsets in f16 (qembeddingbag_prepack.cpp)."""
    weight = _packed(layer).weight
    if isinstance(weight, Tensor):
        raise InvalidModelError("packed weights of an embedding are quantised")
    return weight.halved(interpreter) if weight.numbers.dtype is DType.UINT4 else weight.real(interpreter)


_BAG = ("weight", "indices", "offsets", "scale_grad_by_freq", "mode", "pruned_weights", "per_sample_weights")


def _bag(interpreter: Interpreter, items: Items, named: Named) -> object:
    """`embedding_bag_byte(packed, indices, offsets, ..., mode, ...)` and `_4bit`: sums or means of rows, as reals."""
    given: Named = {"mode": 0, "offsets": None, "per_sample_weights": None, "include_last_offset": False}
    given |= dict(zip((*_BAG, "compressed_indices_mapping", "include_last_offset"), items, strict=False)) | named
    if given.get("compressed_indices_mapping") is not None:
        interpreter.refuse("an embedding of which rows were left out")
    table = _table(interpreter, given["weight"])
    more = given["per_sample_weights"], given["include_last_offset"]
    taken = [table, given["indices"], given["offsets"], False, given["mode"], False, *more]
    made = interpreter.operator("torch.embedding_bag", taken, {})
    return made[0] if is_sequence(made) else made


def _same(interpreter: Interpreter, items: Items, named: Named) -> object:
    return items[0]


_LAYERS: Mapping[str, Rule] = {
    **{f"{kind}_prepack": _prepared for kind in ("linear", "embedding_bag", "conv", "conv1d", "conv2d", "conv3d")},
    **{f"conv_transpose{n}d_prepack": _prepared for n in (1, 2, 3)},
    **{f"{kind}{n}d": _layer(f"torch.{kind}{n}d") for kind in ("conv", "conv_transpose") for n in (1, 2, 3)},
    **{f"{kind}{n}d_dynamic": _dynamic(f"torch.{kind}{n}d") for kind in ("conv", "conv_transpose") for n in (1, 2, 3)},
    **{f"conv{n}d_relu": _layer(f"torch.conv{n}d", "torch.relu") for n in (1, 2, 3)},
    "conv2d_add": _layer("torch.conv2d", added=True),
    "conv2d_add_relu": _layer("torch.conv2d", "torch.relu", added=True),
    "linear": _layer("torch.linear"),
    "linear_relu": _layer("torch.linear", "torch.relu"),
    "linear_leaky_relu": _layer("torch.linear", "torch.leaky_relu"),
    "linear_tanh": _layer("torch.linear", "torch.tanh"),
    "linear_dynamic": _dynamic("torch.linear"),
    "linear_relu_dynamic": _dynamic("torch.linear", "torch.relu"),
    "linear_prepack_fp16": _prepared_half,
    "linear_dynamic_fp16": _half(),
    "linear_relu_dynamic_fp16": _half("torch.relu"),
    **{f"embedding_{bits}": _embedded for bits in ("byte", "4bit")},
    **{f"embedding_bag_{bits}": _bag for bits in ("byte", "4bit")},
}
_PAIRS: Mapping[str, Rule] = {
    **{
        f"{name}{scalar}{relu}": rule(f"torch.{name}", bool(relu))
        for name in ("add", "mul")
        for scalar, rule in (("", _pair), ("_scalar", _with_number))
        for relu in ("", "_relu")
    },
    "cat": _joined(False),
    "cat_relu": _joined(True),
    "matmul": _Step("torch.matmul", ("x", "other", "scale", "zero"), ("other",)),
}
_ACTIVATIONS: Mapping[str, Rule] = {
    "hardswish": _Step("torch.hardswish", _norm()),
    "sigmoid": _Step("torch.sigmoid", _norm()),
    "softmax": _Step("torch.softmax", _norm("dim"), ("dim",)),
    "prelu": _Step("torch.prelu", _norm("weight"), ("weight",)),
    "leaky_relu": _Step("torch.leaky_relu", _norm("negative_slope", "inplace"), ("negative_slope",)),
    "elu": _Step(
        "torch.elu",
        ("x", "scale", "zero", "alpha", "factor", "input_scale"),
        ("alpha", "factor", "input_scale"),
        (("alpha", 1), ("factor", 1), ("input_scale", 1)),
    ),
    "celu": _Step("torch.celu", ("x", "scale", "zero", "alpha"), ("alpha",), (("alpha", 1),)),
    "relu6": _as_torch("torch.relu6", 1),
    "threshold": _as_torch("torch.threshold"),
    "clamp": _as_torch("torch.clamp"),
    "max_pool1d": _as_torch("torch.max_pool1d"),
    "max_pool2d": _as_torch("torch.max_pool2d"),
    "dropout": _same,
}
_NORMS: Mapping[str, Rule] = {
    **{
        f"batch_norm{n}{relu}": _Step(
            "torch.batch_norm",
            _norm("weight", "bias", "mean", "var", "eps"),
            ("weight", "bias", "mean", "var", False, 0.0, "eps", False),
            relu=bool(relu),
        )
        for n in ("", "1d", "2d", "3d")
        for relu in ("", "_relu")
    },
    "layer_norm": _Step(
        "torch.layer_norm", _norm("shape", "weight", "bias", "eps"), ("shape", "weight", "bias", "eps", False)
    ),
    "group_norm": _Step(
        "torch.group_norm", _norm("groups", "weight", "bias", "eps"), ("groups", "weight", "bias", "eps", False)
    ),
    "instance_norm": _Step(
        "torch.instance_norm",
        _norm("weight", "bias", "eps"),
        ("weight", "bias", None, None, True, 0.0, "eps", False),
    ),
}
LAYERS: Mapping[str, Rule] = {
    f"ops.quantized.{name}": rule for table in (_LAYERS, _PAIRS, _ACTIVATIONS, _NORMS) for name, rule in table.items()
}
"""{name: (who follows, items by place, items by name) -> what it makes}."""
