"""Activations that onnxruntime's optimizer writes (its docs/ContribOperators.md): operators in fewer of ours."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.handlers.conv import convolution
from xir.ir.node import Value
from xir.ops.activation import gelu, swish
from xir.ops.elementwise import add, mul
from xir.ops.shape import split, transpose

handlers: Handlers[Handler] = Handlers("onnx")

MICROSOFT = "com.microsoft"


def layer(kind: str) -> Callable[[Handler], Handler]:
    """Enters the handler of an operator of onnxruntime's own set, which has one version."""
    return handlers.layer(*versions(kind, 1, domain=MICROSOFT))


@layer("Gelu")
def gaussian(site: Site, x: Value) -> Value:
    """Gelu, exact."""
    return gelu(x, approximation="none")


@layer("BiasGelu")
def biased_gaussian(site: Site, x: Value, bias: Value) -> Value:
    """BiasGelu: the bias lies along the last axis."""
    return gelu(add(x, site.repeated(bias, x.shape)), approximation="none")


@layer("FastGelu")
def fast_gaussian(site: Site, x: Value, bias: Value | None = None) -> Value:
    """FastGelu, by tanh."""
    return gelu(x if bias is None else add(x, site.repeated(bias, x.shape)), approximation="tanh")


@layer("QuickGelu")
def quick_gaussian(site: Site, x: Value) -> Value:
    """QuickGelu: x * sigmoid(alpha * x)."""
    return swish(x, beta=site.real("alpha", 1.7020000219345093))


@layer("BiasSplitGelu")
def split_gaussian(site: Site, x: Value, bias: Value) -> Value:
    """BiasSplitGelu: the first half of the last axis times the Gelu of the second."""
    data, width = add(x, site.repeated(bias, x.shape)), x.shape[x.rank - 1]
    if isinstance(width, int) and width % 2:
        site.invalid(f"an even last axis is needed, got {x.type!r}")
    left, right = split(data, axis=x.rank - 1, sizes=(width // 2, width // 2))
    return mul(left, gelu(right, approximation="none"))


@layer("BiasAdd")
def biased(site: Site, x: Value, bias: Value, skip: Value) -> Value:
    """BiasAdd: x + bias + skip."""
    return add(add(x, site.repeated(bias, x.shape)), skip)


@layer("NhwcConv")
def channels_last(site: Site, x: Value, w: Value, bias: Value | None = None) -> Value:
    """NhwcConv: Conv with the channels in the last axis of x and of the result; the weights are those of Conv."""
    to_front = (0, x.rank - 1, *range(1, x.rank - 1))
    to_back = (0, *range(2, x.rank), 1)
    return transpose(convolution(site, transpose(x, perm=to_front), w, bias), perm=to_back)
