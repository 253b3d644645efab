"""Products of onnxruntime's own set: with activations behind them, transposed operands, and weights of few bits.

Sources: onnxruntime docs/ContribOperators.md (FusedConv, FusedGemm, FusedMatMul, MatMulNBits), core/graph/contrib_ops/
contrib_defs.cc, and core/providers/cpu/nn/../fused_activation.cc for the names of activations and their parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers import conv, matmul
from xir.ir.dims import Dim, ceil_divide
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops import activation, elementwise
from xir.ops._build import scalar_like
from xir.ops._quantized import spread
from xir.ops.cast import unpack_bits
from xir.ops.quantize import dequantize
from xir.ops.shape import reshape, slice_, transpose

handlers: Handlers[Handler] = Handlers("onnx")

MICROSOFT = "com.microsoft"
_PLAIN_FUNCTIONS = {"Relu": activation.relu, "Tanh": activation.tanh, "Sigmoid": activation.sigmoid}


def _activated(site: Site, x: Value, name: str, parameters: Sequence[float]) -> Value:
    """The named activation of `x`; its parameters stand in the order alpha (or minimum), beta (or maximum)."""
    if not name:
        return x
    if name in _PLAIN_FUNCTIONS:
        return _PLAIN_FUNCTIONS[name](x)
    wanted = {"LeakyRelu": 1, "Elu": 1, "Clip": 2, "HardSigmoid": 2}.get(name)
    if wanted is None:
        site.refuse(f"the activation {name!r}")
    if len(parameters) < wanted:
        site.invalid(f"{name} needs {wanted} parameters, got {len(parameters)}")
    match name:
        case "LeakyRelu":
            return activation.leaky_relu(x, alpha=parameters[0])
        case "Elu":
            return activation.elu(x, alpha=parameters[0])
        case "Clip":
            return elementwise.clip(x, minimum=parameters[0], maximum=parameters[1])
        case _:
            return activation.hard_sigmoid(x, alpha=parameters[0], beta=parameters[1])


@handlers.layer(*versions("FusedConv", 1, domain=MICROSOFT))
def convolution(site: Site, x: Value, w: Value, bias: Value | None = None, addend: Value | None = None) -> Value:
    """FusedConv: activation(Conv + Z)."""
    made = conv.convolution(site, x, w, bias)
    if addend is not None:
        made = elementwise.add(made, addend)
    return _activated(site, made, site.text("activation", ""), site.reals("activation_params") or ())


@handlers.layer(*versions("FusedGemm", 1, domain=MICROSOFT))
def general_product(site: Site, a: Value, b: Value, c: Value | None = None) -> Value:
    """FusedGemm: activation(Gemm), with parameters that have the usual defaults of the activations."""
    name = site.text("activation", "")
    alpha = site.real("activation_alpha", {"HardSigmoid": 0.2, "Elu": 1.0}.get(name, 0.01))
    beta = site.real("activation_beta", 0.5)
    site.ignore("activation_gamma")
    return _activated(site, matmul.general_product(site, a, b, c), name, (alpha, beta))


def _turned(x: Value, batch: bool, last: bool) -> Value:
    """The first axis moved behind the batch axes, then the last two exchanged."""
    if x.rank < 2:
        return x
    order = [*range(1, x.rank - 1), 0, x.rank - 1] if batch else list(range(x.rank))
    if last:
        order[-2:] = order[:-3:-1]
    return x if order == list(range(x.rank)) else transpose(x, perm=tuple(order))


@handlers.layer(*versions("FusedMatMul", 1, domain=MICROSOFT))
def product(site: Site, a: Value, b: Value) -> Value:
    """FusedMatMul: alpha * A' B'."""
    left = _turned(a, site.flag("transBatchA", False), site.flag("transA", False))
    right = _turned(b, site.flag("transBatchB", False), site.flag("transB", False))
    made = matmul.product(site, left, right)
    alpha = site.real("alpha", 1.0)
    return made if alpha == 1 else elementwise.mul(made, scalar_like(made, alpha))


def _cut(x: Value, size: Dim) -> Value:
    """The first `size` columns of `x: [N, columns]`."""
    return x if x.shape[1] == size else slice_(x, axes=(1,), starts=(0,), stops=(size,), steps=(1,))


_STORED = {8: (DType.UINT8, DType.INT8), 4: (DType.UINT4, DType.INT4), 2: (DType.UINT2, DType.INT2)}
"""The types that weights of so many bits are kept in: as they stand, and less the middle of their range."""


@handlers.layer(*versions("MatMulNBits", 1, domain=MICROSOFT))
def narrow_product(
    site: Site,
    a: Value,
    packed: Value,
    scales: Value,
    zero_points: Value | None = None,
    groups: Value | None = None,
    bias: Value | None = None,
) -> Value:
    """MatMulNBits: the weights [N, K] in blocks along K, of 2, 4 or 8 bits, zero points in the middle or given."""
    rows, columns = site.integer("N"), site.integer("K")
    bits, block = site.integer("bits", 4), site.integer("block_size")
    site.ignore("accuracy_level", "weight_prepacked")
    if bits not in _STORED:
        site.refuse(f"weights of {bits} bits")
    if groups is not None:
        site.refuse("groups in an order of their own (g_idx)")
    if rows < 1 or columns < 1 or block < 1:
        site.invalid(f"N {rows}, K {columns} and block_size {block} must be positive")
    count = -(-columns // block)
    bytes_ = reshape(packed, shape=(rows, count * block * bits // 8))
    weights = _real(bytes_, reshape(scales, shape=(rows, count)), zero_points, bits, block)
    made = matmul.product(site, a, transpose(_as(_cut(weights, columns), a.dtype), perm=(1, 0)))
    return made if bias is None else elementwise.add(made, site.repeated(bias, made.shape))


def _as(x: Value, dtype: DType) -> Value:
    return x if x.dtype is dtype else elementwise.cast(x, dtype=dtype)


def _real(packed: Value, scales: Value, zero_points: Value | None, bits: int, block: int) -> Value:
    """The weights, whole blocks, less their zero points, times the scales [N, blocks]."""
    plain, signed = _STORED[bits]
    rows, count = scales.shape
    if zero_points is None:
        weights = unpack_bits(packed, dtype=signed, offset=1 << bits - 1)
        return dequantize(weights, scales, dtype=scales.dtype, axis=1, block=block)
    weights = unpack_bits(packed, dtype=plain)
    if zero_points.dtype is DType.UINT8:
        held = unpack_bits(reshape(zero_points, shape=(rows, ceil_divide(count * bits, 8))), dtype=plain)
        # ONNX cuts no numbers of less than a byte.
        points = held if held.shape[1] == count else _as(_cut(_as(held, DType.UINT8), count), plain)
        return dequantize(weights, scales, points, dtype=scales.dtype, axis=1, block=block)
    points = spread(reshape(zero_points, shape=(rows, count)), weights, 1, block)
    difference = elementwise.sub(elementwise.cast(weights, dtype=points.dtype), points)
    return elementwise.mul(difference, _as(spread(scales, weights, 1, block), points.dtype))
