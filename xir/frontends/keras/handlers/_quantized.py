"""Weights that Keras quantised by `model.quantize("int8")` or "int4" (keras/src/quantizers/quantizers.py).

A whole number q of a kernel stands for q / scale where one scale is for an output, and for (q - zero) * scale where
there is one for a block of inputs. Two numbers of 4 bits stand in a byte, the first one in its lower half.
"""

from __future__ import annotations

from xir.frontends.keras.config import Config
from xir.frontends.keras.site import Site
from xir.ir.dims import Dim, Symbol
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import elementwise
from xir.ops._build import channelwise, scalar_like
from xir.ops.index import embedding, gather
from xir.ops.matmul import matmul
from xir.ops.reduce import reduce_max
from xir.ops.shape import concat, reshape, slice_


def product(site: Site, x: Value, units: int) -> Value:
    """[N, I] times the layer's kernel, and its bias: [N, units] (keras/src/layers/core/dense.py)."""
    kernel = _whole_numbers(site, "kernel", x.shape[-1], units)
    bias = site.weight("bias", (units,)) if site.config.flag("use_bias", True) else None
    scale, epsilon = site.weight("kernel_scale"), _rounded(site)
    if scale.rank == 2:
        result = matmul(x, _from_blocks(site, kernel, scale, 0))
    else:
        numbers, divisor = (x, None) if epsilon is None else _levels(site, x, epsilon)
        result = elementwise.div(*site.aligned(_exact(numbers, kernel, site.dtype), scale))
        result = result if divisor is None else elementwise.div(*site.aligned(result, divisor))
    return result if bias is None else elementwise.add(result, channelwise(bias, result, 1))


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


def _levels(site: Site, x: Value, epsilon: float) -> tuple[Value, Value]:
    """Rows as whole numbers to 127, and what they were multiplied by [N, 1] (quantizers.py, `abs_max_quantize`)."""
    largest = reduce_max(elementwise.abs_(x), axes=(1,), keep_dims=True)
    above = elementwise.add(largest, scalar_like(largest, epsilon))
    scale = elementwise.div(scalar_like(above, 127.0), above)
    scaled = elementwise.round_(elementwise.mul(*site.aligned(x, scale)))
    return elementwise.cast(elementwise.clip(scaled, minimum=-127.0, maximum=127.0), dtype=DType.INT8), scale


def _exact(x: Value, kernel: Value, dtype: DType) -> Value:
    """The product, of whole numbers exact."""
    kept = dtype if x.dtype.is_floating else DType.INT32
    return elementwise.cast(matmul(elementwise.cast(x, dtype=kept), elementwise.cast(kernel, dtype=kept)), dtype=dtype)


def _whole_numbers(site: Site, what: str, count: Dim | None, width: int) -> Value:
    """The layer's weight [count, width] of i8, two numbers in a byte taken apart; what LoRA trained is part of it."""
    narrow = site.quantized == "int4"
    site.config.ignore("lora_rank", "lora_alpha")
    held = site.weight(what, (Symbol() if count is None else count, (width + 1) // 2 if narrow else width))
    if held.dtype is not DType.INT8:
        site.invalid(f"its weight {what!r} holds {held.dtype}, expected int8")
    if not narrow:
        return held
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
