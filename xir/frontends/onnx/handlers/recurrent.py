"""RNN, GRU and LSTM of every version; the batch-first layout (opset 14) becomes transposes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ir.types import DType
from xir.ops._gates import Direction, GateFunction, GateName, directions_of
from xir.ops.elementwise import cast as cast_op
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn
from xir.ops.shape import transpose

handlers: Handlers[Handler] = Handlers("onnx")

_NEEDED = math.nan
"""The default of a number that must be given."""

_FUNCTIONS: Mapping[str, tuple[GateName, float | None, float | None]] = {
    "relu": ("relu", None, None),
    "tanh": ("tanh", None, None),
    "sigmoid": ("sigmoid", None, None),
    "affine": ("affine", 1.0, 0.0),
    "leakyrelu": ("leaky_relu", 0.009999999776482582, None),
    "thresholdedrelu": ("thresholded_relu", 1.0, None),
    "scaledtanh": ("scaled_tanh", _NEEDED, _NEEDED),
    "hardsigmoid": ("hard_sigmoid", 0.20000000298023224, 0.5),
    "elu": ("elu", 1.0, None),
    "softsign": ("softsign", None, None),
    "softplus": ("softplus", None, None),
}
"""Ours, and the defaults of alpha and beta, None where the function has none.

Those of the operators of the same name (onnx.defs LSTM, activation_alpha), where Affine and ScaledTanh are the
experimental operators of ONNX 1.0. Case does not count, as in onnxruntime (core/providers/cpu/rnn/rnn_helpers.cc).
"""


def _functions(site: Site, defaults: tuple[str, ...], directions: int) -> tuple[GateFunction, ...]:
    """The functions of all gates; alphas and betas are consumed in the order of those that have one."""
    names = site.strings("activations")
    if names is None:
        names = defaults * directions
    elif len(names) > len(defaults) * directions:
        names = names[: len(defaults) * directions]  # RNN's own default names two, whatever the direction
    if len(names) != len(defaults) * directions:
        site.invalid(f"{len(defaults) * directions} activations are needed, got {len(names)}")
    alphas, betas = list(site.reals("activation_alpha") or ()), list(site.reals("activation_beta") or ())
    if max(len(alphas), len(betas)) > len(names):
        site.invalid(f"{len(names)} activations have {len(alphas)} alphas and {len(betas)} betas")
    found: list[GateFunction] = []
    for name in names:
        if name.lower() not in _FUNCTIONS:
            site.invalid(f"unknown activation {name!r}")
        ours, alpha, beta = _FUNCTIONS[name.lower()]
        described = (ours, _next(alphas, alpha), _next(betas, beta))
        if math.isnan(described[1]) or math.isnan(described[2]):
            site.invalid(f"{name} needs its activation_alpha and activation_beta")
        found.append(described)
    return tuple(found)


def _next(given: list[float], default: float | None) -> float:
    if default is None:
        return 0.0
    return given.pop(0) if given else default


def _direction(site: Site) -> Direction:
    """The direction; GRU-1 of onnx.defs spells its default "foward"."""
    word = site.choice("direction", ("forward", "foward", "reverse", "bidirectional"), "forward")
    return "forward" if word == "foward" else cast("Direction", word)


def _clip(site: Site) -> float | None:
    return site.real("clip") if site.has("clip") else None


def _check_size(site: Site, r: Value) -> None:
    """`hidden_size` says again what the weights say."""
    if site.has("hidden_size"):
        hidden = site.integer("hidden_size")
        if r.rank == 3 and isinstance(r.shape[2], int) and r.shape[2] != hidden:
            site.invalid(f"hidden_size is {hidden}, the weights have {r.shape[2]} units")
    site.ignore("output_sequence")  # before opset 7: whether Y is wanted, as its name says anyway


def _lengths(lengths: Value | None) -> Value | None:
    return lengths if lengths is None or lengths.dtype is DType.INT32 else cast_op(lengths, dtype=DType.INT32)


def _time_first(site: Site, *values: Value | None) -> tuple[Value | None, ...]:
    """Operands [N, ...] of the layout 1 as [T or D, N, ...]."""
    if not site.flag("layout", False):
        return values
    return tuple(None if value is None else transpose(value, perm=(1, 0, 2)) for value in values)


def _as_asked(site: Site, outputs: Value, *states: Value) -> tuple[Value, ...]:
    """The results in the layout that the node asks for."""
    if not site.flag("layout", False):
        return (outputs, *states)
    return (transpose(outputs, perm=(2, 0, 1, 3)), *(transpose(state, perm=(1, 0, 2)) for state in states))


@handlers.layer(*versions("RNN", 1, 7, 14, 22))
def plain(
    site: Site,
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
) -> tuple[Value, ...]:
    """RNN."""
    direction = _direction(site)
    _check_size(site, r)
    functions = _functions(site, ("Tanh",), len(directions_of(direction)))
    first, h = _time_first(site, x, h)
    made = rnn(first or x, w, r, b, _lengths(lengths), h, direction=direction, functions=functions, clip=_clip(site))
    return _as_asked(site, *made)


@handlers.layer(*versions("GRU", 1, 3, 7, 14, 22))
def gated(
    site: Site,
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
) -> tuple[Value, ...]:
    """GRU; `linear_before_reset` came with opset 3."""
    direction = _direction(site)
    _check_size(site, r)
    functions = _functions(site, ("Sigmoid", "Tanh"), len(directions_of(direction)))
    first, h = _time_first(site, x, h)
    made = gru(
        first or x,
        w,
        r,
        b,
        _lengths(lengths),
        h,
        direction=direction,
        functions=functions,
        clip=_clip(site),
        linear_before_reset=site.flag("linear_before_reset", False),
    )
    return _as_asked(site, *made)


@handlers.layer(*versions("LSTM", 1, 7, 14, 22))
def long_short(
    site: Site,
    x: Value,
    w: Value,
    r: Value,
    b: Value | None = None,
    lengths: Value | None = None,
    h: Value | None = None,
    c: Value | None = None,
    p: Value | None = None,
) -> tuple[Value, ...]:
    """LSTM."""
    direction = _direction(site)
    _check_size(site, r)
    functions = _functions(site, ("Sigmoid", "Tanh", "Tanh"), len(directions_of(direction)))
    first, h, c = _time_first(site, x, h, c)
    made = lstm(
        first or x,
        w,
        r,
        b,
        _lengths(lengths),
        h,
        c,
        p,
        direction=direction,
        functions=functions,
        clip=_clip(site),
        coupled=site.flag("input_forget", False),
    )
    return _as_asked(site, *made)
