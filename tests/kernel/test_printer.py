"""Kernels as people read them."""

from __future__ import annotations

from xir.ir.dims import Symbol
from xir.ir.types import DType
from xir.kernel.build import apply, index, number
from xir.kernel.grammar import (
    Accumulate,
    Allocate,
    AsyncCopy,
    Axis,
    Barrier,
    Bits,
    Buffer,
    Cast,
    Const,
    For,
    If,
    Kernel,
    Let,
    Load,
    Prefetch,
    Region,
    Select,
    Store,
    TileMultiply,
    Variable,
    Wait,
)
from xir.kernel.printer import kernel_text, scalar_text

TEXT = """\
kernel k(x: f32[n,4]) -> (y: f32[n,4]):
    for i in n parallel:
        allocate register r: f16[]
        let v: f32 = (x[i, 0] + x[i, 1 where (i < n)])
        if (v < 0.5):
            y[i, 0] = (v if True else exp(v)) where (i < 3) width 4
        else:
            y[i, 0] = add(y[i, 0], v) atomic
        r[] = f16(2.0)
        r[] = f16(v)
        r[] = max(r[], f16(v)) where True
        if False:
            barrier
    copy y[0:+1, 1:+2] = x[0:+1, 0:+2] group 1
    wait group 1
    prefetch x[1, 0]
    y[0:+2, 0:+2] += x[0:+2, 0:+2].T @ x[0:+2, 0:+2].T
"""


def test_every_form_prints() -> None:
    n, i, v = Symbol("n"), Axis("i"), Variable("v", DType.FLOAT32)
    x, y = Buffer("x", DType.FLOAT32, (n, 4)), Buffer("y", DType.FLOAT32, (n, 4))
    r = Buffer("r", DType.FLOAT16, (), "register")
    true, size = Const(True, DType.BOOL), Const(n, DType.INT64)
    total = apply("add", Load(x, (i, index(0))), Load(x, (i, index(1)), apply("lt", i, size)))
    chosen = Select(true, v, apply("exp", v))
    branch = If(
        apply("lt", v, number(0.5, DType.FLOAT32)),
        (Store(y, (i, index(0)), chosen, apply("lt", i, index(3)), 4),),
        (Accumulate(y, (i, index(0)), "add", v, atomic=True),),
    )
    half = Cast(v, DType.FLOAT16)
    body = (
        Allocate(r),
        Let(v, total),
        branch,
        Store(r, (), number(2, DType.FLOAT16)),
        Store(r, (), half),
        Accumulate(r, (), "max", half, true),
        If(Const(False, DType.BOOL), (Barrier(),)),
    )
    boxes = [Region(b, (index(0), index(s)), (1, 2)) for b, s in ((y, 1), (x, 0))]
    tile_y, tile_x = (Region(b, (index(0), index(0)), (2, 2)) for b in (y, x))
    statements = (
        For(i, n, "parallel", body),
        AsyncCopy(boxes[0], boxes[1], 1),
        Wait(1),
        Prefetch(x, (index(1), index(0))),
        TileMultiply(tile_y, tile_x, tile_x, transpose_left=True, transpose_right=True),
    )
    assert kernel_text(Kernel("k", (x,), (y,), statements)) == TEXT


def test_bits_print() -> None:
    whole = Bits(number(1, DType.FLOAT32), DType.INT32)
    shown = scalar_text(apply("shift_right", apply("bit_and", whole, number(6, DType.INT32)), number(1, DType.INT32)))
    assert shown == "((bits i32(1.0) & i32(6)) >> i32(1))"
