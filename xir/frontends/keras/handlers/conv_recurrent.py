"""Recurrent layers whose products are convolutions (Shi et al. 2015; keras/src/layers/rnn/conv_lstm.py)."""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends._images import channels_last, channels_second, padding_for
from xir.frontends.keras.handlers._activations import activated
from xir.frontends.keras.handlers._images import padding_of
from xir.frontends.keras.site import Handler, Site
from xir.ir.node import Value
from xir.ops import conv, elementwise
from xir.ops.shape import concat, reshape, slice_, split, transpose

handlers: Handlers[Handler] = Handlers("keras")

MAX_STEPS = 1000
"""Steps of a sequence: each is built by itself."""


def _steps(site: Site, x: Value) -> int:
    steps = x.shape[1]
    if not isinstance(steps, int) or not 0 < steps <= MAX_STEPS:
        site.refuse(f"a sequence of {steps} images: 1 to {MAX_STEPS} are possible", "type the input with its size")
    return steps


@handlers.layer("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
def convolved(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """ConvLSTM1D and its kin: x [N, T, spatial..., C]; gates i, f, c, o."""
    config = site.config
    config.ignore("dropout", "recurrent_dropout", "unroll", "unit_forget_bias", "seed", "zero_output_for_mask")
    if config.flag("time_major"):
        site.refuse("sequences with time before the batch")
    if site.mask is not None:
        site.refuse("masked sequences of images")
    if config.flag("stateful"):
        site.note(f"the layer {site.layer.name!r} keeps its state from run to run in Keras; here every run starts anew")
    site.cursor = site.cursor.part("cell")
    steps, axes, filters = _steps(site, x), x.rank - 3, config.integer("filters")
    inputs, own = _convolutions(site, x, filters, axes)
    given = [*states, *site.named.pop("initial_state", ())]
    h, c = (_second(site, state) for state in given) if len(given) == 2 else (None, None)
    results: list[Value] = []
    order = range(steps)
    for step in reversed(order) if config.flag("go_backwards") else order:
        flat = slice_(inputs, axes=(1,), starts=(step,), stops=(step + 1,), steps=(1,))
        gates = reshape(flat, shape=(inputs.shape[0], *inputs.shape[2:]))
        h, c = _step(site, gates if h is None else elementwise.add(gates, own(h)), c, filters)
        results.append(h)
    ends = [_laid(site, end) for end in (h, c) if end is not None]
    if not config.flag("return_sequences"):
        first = ends[0]
    else:
        first = concat(*(_step_axis(_laid(site, each)) for each in results), axis=1)
    return (first, *ends) if config.flag("return_state") else (first,)


def _convolutions(site: Site, x: Value, filters: int, axes: int) -> tuple[Value, Callable[[Value], Value]]:
    """What the inputs give at every step, [N, T, 4 * F, spatial...], and what a state [N, F, spatial...] gives."""
    config = site.config
    window, strides = config.positive("kernel_size", axes), config.positive("strides", axes, 1)
    dilation, ones = config.positive("dilation_rate", axes, 1), (1,) * axes
    images = _second(site, reshape(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:])))
    to_ours = (axes + 1, axes, *range(axes))
    kernel = transpose(site.weight("kernel", (*window, images.shape[1], 4 * filters)), perm=to_ours)
    recurrent = transpose(site.weight("recurrent_kernel", (*window, filters, 4 * filters)), perm=to_ours)
    bias = site.weight("bias", (4 * filters,)) if config.flag("use_bias", True) else None
    inputs = conv.conv(
        images,
        kernel,
        bias,
        strides=strides,
        padding=padding_of(site, images, window, strides, dilation),
        dilation=dilation,
        input_dilation=ones,
        groups=1,
    )

    def own(h: Value) -> Value:
        return conv.conv(
            h,
            recurrent,
            None,
            strides=ones,
            padding=padding_for("SAME", h.shape[2:], window, ones, ones),
            dilation=ones,
            input_dilation=ones,
            groups=1,
        )

    return reshape(inputs, shape=(*x.shape[:2], *inputs.shape[1:])), own


def _step(site: Site, gates: Value, c: Value | None, filters: int) -> tuple[Value, Value]:
    """The states behind one step."""
    inner, outer = site.config.raw("recurrent_activation", "hard_sigmoid"), site.config.raw("activation", "tanh")
    i, f, candidate, o = split(gates, axis=1, sizes=(filters,) * 4)
    added = elementwise.mul(activated(site, i, inner), activated(site, candidate, outer))
    c = added if c is None else elementwise.add(elementwise.mul(activated(site, f, inner), c), added)
    return elementwise.mul(activated(site, o, inner), activated(site, c, outer)), c


def _step_axis(x: Value) -> Value:
    return reshape(x, shape=(x.shape[0], 1, *x.shape[1:]))


def _second(site: Site, x: Value) -> Value:
    return x if site.channels_first else channels_second(x)


def _laid(site: Site, x: Value) -> Value:
    return x if site.channels_first else channels_last(x)
