"""Matrix products."""

from __future__ import annotations

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.broadcasting import join
from xir.ir.node import Value
from xir.ops import matmul
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("onnx")


@handlers.layer(*versions("MatMul", 1, 9, 13))
def product(site: Site, x: Value, y: Value) -> Value:
    """MatMul as numpy.matmul: vectors become matrices for the while, batch axes broadcast."""
    if not x.rank or not y.rank:
        site.invalid(f"a scalar cannot be multiplied as a matrix: {x.type!r}, {y.type!r}")
    row, column = x.rank == 1, y.rank == 1
    if row:
        x = reshape(x, shape=(1, *x.shape))
    if column:
        y = reshape(y, shape=(*y.shape, 1))
    batch = join([x.shape[:-2], y.shape[:-2]])
    x = site.scope.broadcast(x, (*batch, *x.shape[-2:]))
    y = site.scope.broadcast(y, (*batch, *y.shape[-2:]))
    result = matmul.matmul(x, y)
    if row or column:
        sizes = (*batch, *(() if row else (result.shape[-2],)), *(() if column else (result.shape[-1],)))
        return reshape(result, shape=sizes)
    return result


@handlers.layer(*versions("Gemm", 7, 9, 11, 13))
def general_product(site: Site, a: Value, b: Value, c: Value | None = None) -> Value:
    """Gemm; its third operand broadcasts to the result."""
    transpose_a, transpose_b = site.flag("transA", False), site.flag("transB", False)
    if a.rank != 2 or b.rank != 2:
        site.invalid(f"matrices are needed, got {a.type!r} and {b.type!r}")
    rows = a.shape[1 if transpose_a else 0]
    columns = b.shape[0 if transpose_b else 1]
    if c is not None:
        c = site.repeated(c, (rows, columns))
    return matmul.gemm(
        a,
        b,
        c,
        alpha=site.real("alpha", 1.0),
        beta=site.real("beta", 1.0),
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
