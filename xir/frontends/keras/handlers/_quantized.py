"""Weights that Keras quantised by `model.quantize` (keras/src/quantizers/quantizers.py, keras/src/layers/core).

A whole number q of a kernel stands for q / scale where one scale is for an output, and for (q - zero) * scale where
there is one for a block of inputs. Two numbers of 4 bits stand in a byte, the first one in its lower half. Numbers of 8
bits with a fraction (`float8`) are what inputs and kernels are rounded to; they are stored as real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType
from typing import TypeAlias

from xir.frontends.keras.config import Config
from xir.frontends.keras.handlers._einsum import DENSE, Equation
from xir.frontends.keras.site import Site
from xir.ir.dims import Dim, Shape, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.einsum import einsum
from xir.ops.index import embedding, gather
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_max
from xir.ops.shape import concat, reshape, slice_, transpose

Parts: TypeAlias = "tuple[Value, Value | None]"
"""A product, and the bias that belongs to it."""

_LARGEST = 448.0
"""The largest number of `float8_e4m3fn` (Micikevicius et al. 2022)."""


def product(site: Site, x: Value, equation: Equation, sizes: Shape | None, biased: bool) -> Parts:
    """`x` times the layer's kernel, and its bias, which is not added yet (keras/src/layers/core/einsum_dense.py).

    Args:
        site: the layer's site.
        x: what is multiplied.
        equation: how.
        sizes: the shape of the kernel as it was before; None where the configuration does not tell it.
        biased: whether the layer has a bias.
    """
    site.config.ignore("lora_rank", "lora_alpha")
    return _MODES[site.quantized or ""](site, x, equation, sizes, biased)


_Mode: TypeAlias = "Callable[[Site, Value, Equation, Shape | None, bool], Parts]"


def _multiplied(x: Value, kernel: Value, equation: Equation) -> Value:
    return matmul(x, kernel) if equation == DENSE else einsum(x, kernel, equation=str(equation))


def _in_8_bits(
    site: Site, x: Value, equation: Equation, sizes: Shape | None, biased: bool
) -> tuple[Value, Value | None]:
    """Kernels of i8 with a scale for each output; inputs as i8, too, or as they are."""
    kernel = _of_bytes(site, site.weight("kernel", sizes), "kernel")
    bias = site.weight("bias") if biased else None
    scale, epsilon = site.weight("kernel_scale"), _rounded(site)
    numbers, divisor = (x, None) if epsilon is None else _levels(site, x, equation, epsilon)
    kept = site.dtype if epsilon is None else DType.INT32
    exact = _multiplied(elementwise.cast(numbers, dtype=kept), elementwise.cast(kernel, dtype=kept), equation)
    result = elementwise.cast(exact, dtype=site.dtype)
    wide = [
        size if letter in equation.kernel else 1 for letter, size in zip(equation.result, result.shape, strict=True)
    ]
    result = elementwise.div(*site.aligned(result, reshape(scale, shape=tuple(wide))))
    return (result if divisor is None else elementwise.div(*site.aligned(result, divisor))), bias


def _in_4_bits(
    site: Site, x: Value, equation: Equation, sizes: Shape | None, biased: bool
) -> tuple[Value, Value | None]:
    """Kernels of 4 bits as matrices [what is summed, the rest], with a scale for each column or for blocks of rows."""
    whole = _known(site, sizes)
    summed = [letter in equation.summed for letter in equation.kernel]
    rows = prod(size for size, inner in zip(whole, summed, strict=True) if inner)
    columns = prod(size for size, inner in zip(whole, summed, strict=True) if not inner)
    numbers = _whole_numbers(site, "kernel", rows, columns)
    bias = site.weight("bias") if biased else None
    scale = site.weight("kernel_scale")
    if _rounded(site) is not None:
        site.refuse("inputs that are quantised beside weights of 4 bits", "quantise the weights alone")
    if scale.rank == 2:
        matrix = _from_blocks(site, numbers, scale, 0)
    else:
        matrix = elementwise.div(*site.aligned(elementwise.cast(numbers, dtype=site.dtype), scale))
    return _multiplied(x, reshape(matrix, shape=whole), equation), bias


def _of_float8(
    site: Site, x: Value, equation: Equation, sizes: Shape | None, biased: bool
) -> tuple[Value, Value | None]:
    """Inputs and kernel rounded to numbers of 8 bits, by one scale each; a bias of f32 is rounded to bf16."""
    kernel = site.weight("kernel", sizes)
    bias = site.weight("bias") if biased else None
    inputs_scale, _, kernel_scale = (site.weight(what) for what in ("inputs_scale", "amax_history", "kernel_scale"))
    for what in ("kernel_amax_history", "outputs_grad_scale", "outputs_grad_amax_history"):
        site.weight(what)  # for training alone
    site.config.ignore("quantization_config")
    result = _multiplied(_to_float8(site, x, inputs_scale), _to_float8(site, kernel, kernel_scale), equation)
    if bias is not None and bias.dtype is DType.FLOAT32:
        bias = elementwise.cast(elementwise.cast(bias, dtype=DType.BFLOAT16), dtype=DType.FLOAT32)
    return result, bias


def _to_float8(site: Site, x: Value, scale: Value) -> Value:
    """What is left of `x` in `float8_e4m3fn` (quantizers.py, `quantize_and_dequantize`)."""
    low = elementwise.clip(elementwise.div(*site.aligned(x, scale)), minimum=-_LARGEST, maximum=_LARGEST)
    narrow = elementwise.cast(low, dtype=DType.FLOAT8E4M3FN)
    return elementwise.mul(*site.aligned(elementwise.cast(narrow, dtype=x.dtype), scale))


_MODES: Mapping[str, _Mode] = MappingProxyType(
    {
        "int8": _in_8_bits,
        "int4": _in_4_bits,
        "float8": _of_float8,
    }
)
"""{how weights are kept: their product}."""


def _known(site: Site, sizes: Shape | None) -> tuple[int, ...]:
    found = tuple(size for size in sizes or () if isinstance(size, int))
    if sizes is None or len(found) < len(sizes):
        site.refuse("packed weights whose shape the configuration does not tell", "save the model with plain weights")
    return found


def rows(site: Site, indices: Value, count: int | None, width: int) -> Value:
    """The rows of the layer's table [count, width] at the places `indices` (keras/src/layers/core/embedding.py)."""
    table = _whole_numbers(site, "embeddings", count, width)
    site.config.ignore("quantization_config")  # what a product is rounded to, and how the numbers were found
    scale = site.weight("embeddings_scale")
    if scale.rank == 2:
        return embedding(indices, _from_blocks(site, table, scale, 1))
    divisor = reshape(scale, shape=(*scale.shape, 1))
    return embedding(indices, elementwise.div(*site.aligned(elementwise.cast(table, dtype=site.dtype), divisor)))


def _rounded(site: Site) -> float | None:
    """What is added to the largest number of a row where rows of inputs become 8 bits; None: they do not."""
    held = site.config.raw("quantization_config")
    if held is None:
        return 1e-7 if site.quantized == "int8" else None
    settings = held.get("config") if isinstance(held, dict) else None
    quantizer = settings.get("activation_quantizer") if isinstance(settings, dict) else "?"
    if quantizer is None:
        return None
    inner = quantizer.get("config") if isinstance(quantizer, dict) else None
    if site.quantized != "int8" or not isinstance(inner, dict) or not isinstance(quantizer, dict):
        site.refuse("inputs that are quantised in a way of their own", "quantise the weights alone")
    config = Config(inner)
    if quantizer.get("class_name") != "AbsMaxQuantizer" or config.integers("value_range", 2) != (-127, 127):
        site.refuse(f"inputs that a {quantizer.get('class_name')!r} quantises", "quantise the weights alone")
    return config.number("epsilon", 1e-7)


def _levels(site: Site, x: Value, equation: Equation, epsilon: float) -> tuple[Value, Value]:
    """`x` as whole numbers to 127 for what is not summed, and what it was multiplied by in the result's axes."""
    axes = tuple(place for place, letter in enumerate(equation.x) if letter not in equation.result)
    largest = reduce_max(elementwise.abs_(x), axes=axes, keep_dims=True)
    above = elementwise.add(largest, scalar_like(largest, epsilon))
    scale = elementwise.div(scalar_like(above, 127.0), above)
    scaled = elementwise.round_(elementwise.mul(*site.aligned(x, scale)))
    numbers = elementwise.cast(elementwise.clip(scaled, minimum=-127.0, maximum=127.0), dtype=DType.INT8)
    order = sorted(range(x.rank), key=lambda place: equation.result.find(equation.x[place]))
    turned = transpose(scale, perm=tuple(order))
    sizes = dict(zip(equation.x, x.shape, strict=True))
    return numbers, reshape(turned, shape=tuple(sizes.get(letter, 1) for letter in equation.result))


def _of_bytes(site: Site, held: Value, what: str) -> Value:
    if held.dtype is not DType.INT8:
        site.invalid(f"its weight {what!r} holds {held.dtype}, expected int8")
    return held


def _whole_numbers(site: Site, what: str, count: Dim | None, width: int) -> Value:
    """The layer's weight [count, width] of i8, two numbers in a byte taken apart; what LoRA trained is part of it."""
    narrow = site.quantized == "int4"
    site.config.ignore("lora_rank", "lora_alpha")
    held = site.weight(what, (Symbol() if count is None else count, (width + 1) // 2 if narrow else width))
    held = _of_bytes(site, held, what)
    return _halves(held, width) if narrow else held


def _halves(held: Value, width: int) -> Value:
    """The numbers [count, width] of 4 bits in the bytes [count, (width + 1) // 2]."""
    both = elementwise.cast(held, dtype=DType.FLOAT32)
    upper = elementwise.floor(elementwise.mul(both, scalar_like(both, 1 / 16)))
    lower = elementwise.sub(both, elementwise.mul(upper, scalar_like(both, 16.0)))
    negative = elementwise.floor(elementwise.mul(lower, scalar_like(lower, 1 / 8)))
    lower = elementwise.sub(lower, elementwise.mul(negative, scalar_like(lower, 16.0)))
    pairs = concat(*(reshape(each, shape=(*each.shape, 1)) for each in (lower, upper)), axis=2)
    row = reshape(pairs, shape=(pairs.shape[0], pairs.shape[1] * 2))
    cut = slice_(row, axes=(1,), starts=(0,), stops=(width,), steps=(1,))
    return elementwise.cast(cut, dtype=DType.INT8)


def _from_blocks(site: Site, numbers: Value, scale: Value, axis: int) -> Value:
    """(q - zero) * scale, with a zero and a scale for each block along an axis (`dequantize_with_sz_map`)."""
    zero, places = site.weight("zero", scale.shape), site.weight("g_idx", (numbers.shape[axis],))
    blocks = elementwise.cast(places, dtype=DType.INT64)
    shift = gather(elementwise.cast(zero, dtype=site.dtype), blocks, axis=axis)
    real = elementwise.cast(numbers, dtype=site.dtype)
    return elementwise.mul(elementwise.sub(real, shift), gather(scale, blocks, axis=axis))
