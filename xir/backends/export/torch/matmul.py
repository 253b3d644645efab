"""Forms of matrix products."""

from __future__ import annotations

from xir.backends.export.torch._form import Answer, Argument, Forms, Layer, Refusal, Say, operand, real
from xir.backends.export.torch.elementwise import NARROW
from xir.ir.node import Node, Value
from xir.ir.types import DType
from xir.ops.einsum import einsum
from xir.ops.matmul import gemm, matmul

forms = Forms()


def options(weight: Value) -> dict[str, Argument]:
    """`dtype=` for layers whose weights are not f32."""
    return {} if weight.dtype is DType.FLOAT32 else {"dtype": weight.dtype}


@forms.of(matmul)
def _matmul(node: Node) -> Answer:
    """The operator @; types that PyTorch has no products of are widened."""
    x, y = operand(node), operand(node, 1)
    if x.dtype in NARROW or x.dtype is DType.BOOL:
        return Say("({}.to(torch.int64) @ {}.to(torch.int64)).to({})", x, y, x.dtype)
    return Say("{} @ {}", x, y)


@forms.of(gemm)
def _gemm(node: Node) -> Answer:
    """nn.Linear where it is one."""
    a, b, c = operand(node), operand(node, 1), node.inputs[2]
    scaled = real(node, "alpha") != 1 or (c is not None and real(node, "beta") != 1)
    if scaled or node.attributes["transpose_a"] or not a.dtype.is_floating:
        return Refusal("a scaled product")
    turned = bool(node.attributes["transpose_b"])
    weight: Argument = b if turned else Say("{}.T", b)
    bias = None if c is None else _vector(c, b.shape[0 if turned else 1])
    if c is not None and bias is None:
        return Refusal("a bias that is no vector")
    said = Say("F.linear({}, {})", a, weight) if bias is None else Say("F.linear({}, {}, {})", a, weight, bias)
    inputs, outputs = (b.shape[1], b.shape[0]) if turned else (b.shape[0], b.shape[1])
    if not isinstance(inputs, int) or not isinstance(outputs, int):
        return said
    weights: dict[str, tuple[Value, tuple[int, ...] | None]] = {"weight": (b, None if turned else (1, 0))}
    if bias is not None:
        weights["bias"] = (bias, None)
    keywords = {**({} if bias is not None else {"bias": False}), **options(b)}
    return Layer("Linear", (inputs, outputs), keywords, weights, (a,), said)


def _vector(c: Value, length: object) -> Value | None:
    """The bias itself, or what a broadcast repeats over the rows."""
    node = c.node
    if node is not None and node.op.name == "broadcast" and node.inputs[1] is None:
        c = operand(node)
    return c if c.rank == 1 and c.shape[0] == length else None


@forms.of(einsum)
def _einsum(node: Node) -> Answer:
    """torch.einsum, whose equation is checked when the graph is built: letters, commas, dots and the arrow."""
    values = [operand(node, index) for index in range(len(node.inputs))]
    if not values[0].dtype.is_floating:
        return Refusal("torch.einsum of integers")
    template = ", ".join(["{}"] * (1 + len(values)))
    return Say(f"torch.einsum({template})", str(node.attributes["equation"]), *values)
