"""FlexAttention: attention whose scores and weights pass through bodies of their own, written out in place."""

from __future__ import annotations

import math

from xir.frontends._bodies import Body
from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.frontends.onnx.tensors import DTYPES
from xir.ir.builder import apply
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._wide import narrow, scalar, wide
from xir.ops.attention import PRECISIONS, attention, repeated_heads
from xir.ops.constant import constant
from xir.ops.elementwise import mul
from xir.ops.matmul import matmul
from xir.ops.norm import softmax
from xir.ops.shape import broadcast, transpose

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("FlexAttention", 1, domain="ai.onnx.preview"))
def flex(site: Site, q: Value, k: Value, v: Value) -> Value:
    """FlexAttention; without bodies it is plain attention."""
    scale = site.real("scale") if site.has("scale") else None
    precision = _precision(site)
    plain = attention(
        q,
        k,
        v,
        scale=scale,
        softcap=0.0,
        causal=False,
        left=None,
        right=None,
        precision=precision,
        shown="products",
    )
    if not site.has("score_mod") and not site.has("prob_mod"):
        return plain[0]
    size = q.shape[3]
    if scale is None and not isinstance(size, int):
        site.refuse("attention over heads of an unknown size", "give the model's input sizes with --input")
    root = math.sqrt(scale) if scale is not None else float(size if isinstance(size, int) else 1) ** -0.25
    data = wide(q)
    compute = precision or data.dtype
    left, right = (mul(each, broadcast(scalar(each.dtype, root), shape=each.shape)) for each in (data, wide(k)))
    scores = matmul(left, transpose(repeated_heads(right, q.shape[1]), perm=(0, 1, 3, 2)))
    scores = _modified(site, "score_mod", narrow(scores, compute))
    weights = _modified(site, "prob_mod", softmax(scores, axis=3))
    y = matmul(weights, repeated_heads(narrow(wide(v), compute), q.shape[1]))
    return narrow(y, q.dtype)


def _precision(site: Site) -> DType | None:
    """The type of scores and weights; None for f32, or f64 for operands in f64."""
    if not site.has("softmax_precision"):
        return None
    number = site.integer("softmax_precision")
    if DTYPES.get(number) not in PRECISIONS:
        site.invalid(f"softmax_precision is {number}, expected 1, 10, 11 or 16")
    return DTYPES[number]


def _modified(site: Site, name: str, x: Value) -> Value:
    """`x` through the body `name`, if there is one."""
    if not site.has(name):
        return x
    body = site.body(name, [x.type])
    if len(body.graph.inputs) - len(body.captured) != 1 or len(body.graph.outputs) != 1:
        site.invalid(f"{name} must take one tensor and make one")
    made = _inlined(body, x)
    if made.type != x.type:
        site.invalid(f"{name} makes {made.type!r} of {x.type!r}, expected the same type")
    return made


def _inlined(body: Body, x: Value) -> Value:
    """The one result of the body for the operand `x`, its nodes built again around it."""
    graph = body.graph
    values = dict(zip(graph.inputs, (x, *body.captured), strict=True))
    for parameter in graph.parameters:
        values[parameter.value] = constant(value=parameter.constant)
    for node in graph.nodes:
        inputs = tuple(None if value is None else values[value] for value in node.inputs)
        values.update(zip(node.outputs, apply(node.op, inputs, node.attributes).outputs, strict=True))
    return values[graph.outputs[0]]
