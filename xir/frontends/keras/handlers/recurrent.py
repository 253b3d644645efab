"""Recurrent layers: weights [I, gates * H] of i, f, c, o (LSTM) and z, r, h (GRU) become ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers._activations import gate
from xir.frontends.keras.handlers._sequences import Compact, compacted, spread
from xir.frontends.keras.site import Handler, Site
from xir.ir.dims import Dim
from xir.ir.node import Value
from xir.ir.types import TensorType
from xir.ops import elementwise
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn
from xir.ops.shape import concat, reshape, reverse, split, transpose

handlers: Handlers[Handler] = Handlers("keras")


@dataclass(frozen=True, slots=True)
class _Layer:
    """A recurrent layer's weights in our order: w [1, G * H, I], r [1, G * H, H], b [1, 2 * G * H]."""

    units: int
    w: Value
    r: Value
    b: Value | None


def _gates(kernel: Value, order: Sequence[int], units: int) -> Value:
    """[I, G * H] as [1, G * H, I] with the gates in another order."""
    parts = split(kernel, axis=1, sizes=(units,) * len(order)) if len(order) > 1 else (kernel,)
    return reshape(
        transpose(concat(*(parts[place] for place in order), axis=1), perm=(1, 0)),
        shape=(1, units * len(order), kernel.shape[0]),
    )


def _vector(bias: Value, order: Sequence[int], units: int) -> Value:
    parts = split(bias, axis=0, sizes=(units,) * len(order)) if len(order) > 1 else (bias,)
    return concat(*(parts[place] for place in order), axis=0) if len(order) > 1 else bias


def _separate(site: Site, inputs: Dim, units: int, places: Sequence[int]) -> tuple[Value, Value, Value]:
    """Weights of Keras 1, a kernel, a recurrent kernel and a bias for each gate, joined in Keras 2's order."""
    kernels: list[Value] = []
    recurrent: list[Value] = []
    biases: list[Value] = []
    for _ in places:
        kernels.append(site.weight("W", (inputs, units)))
        recurrent.append(site.weight("U", (units, units)))
        biases.append(site.weight("b", (units,)))
    return (
        concat(*(kernels[place] for place in places), axis=1),
        concat(*(recurrent[place] for place in places), axis=1),
        concat(*(biases[place] for place in places), axis=0),
    )


def _weights(site: Site, x: Value, order: Sequence[int], old: Sequence[int], reset_after: bool = False) -> _Layer:
    """The layer's weights.

    Args:
        site: the layer's site.
        x: what it is called with, [N, T, I].
        order: for each of our gates, which of Keras 2's it is.
        old: for each of Keras 2's gates, which of Keras 1's it is.
        reset_after: whether there are two biases.
    """
    units, gates = site.config.integer("units"), len(order)
    inputs = x.shape[-1]
    has_bias = site.config.flag("use_bias", True)
    bias: Value | None = None
    if site.generation == 1 and gates > 1 and site.cursor.left == 3 * gates:
        kernel, recurrent, bias = _separate(site, inputs, units, old)
    else:
        kernel = site.weight("kernel", (inputs, units * gates))
        recurrent = site.weight("recurrent_kernel", (units, units * gates))
        if has_bias:
            bias = site.weight("bias", (2, gates * units) if reset_after else (gates * units,))
    both: Value | None = None
    if bias is not None and reset_after:
        first, second = (reshape(each, shape=(gates * units,)) for each in split(bias, axis=0, sizes=(1, 1)))
        both = concat(_vector(first, order, units), _vector(second, order, units), axis=0)
    elif bias is not None:
        own = _vector(bias, order, units)
        both = concat(own, elementwise.sub(own, own), axis=0)
    shaped = None if both is None else reshape(both, shape=(1, 2 * gates * units))
    return _Layer(units, _gates(kernel, order, units), _gates(recurrent, order, units), shaped)


def _settings(site: Site) -> None:
    """Settings that change nothing in the result, and those that nothing is known of."""
    site.config.ignore(
        "dropout",
        "recurrent_dropout",
        "unroll",
        "implementation",
        "unit_forget_bias",
        "forget_bias_init",
        "seed",
        "use_cudnn",
        "reset_after",
        "consume_less",
    )
    site.cursor = site.cursor.part("cell")
    if site.config.flag("time_major"):
        site.refuse("sequences with time before the batch")


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What a layer runs over: [T, N, I] with the steps that count in front, and how to put its outputs back.

    Attributes:
        x: the sequence.
        compact: where its steps are, if some do not count.
        first: the states to begin with, [1, N, H] each; none where they are 0.
        kept: those of them that are the model's state, as the inputs that they are.
    """

    x: Value
    compact: Compact | None
    first: tuple[Value, ...]
    kept: tuple[Value, ...]

    @property
    def lengths(self) -> Value | None:
        """How many steps of each sequence count."""
        return None if self.compact is None else self.compact.lengths


def _sequence(site: Site, x: Value, states: Sequence[Value], units: int, count: int = 1) -> _Sequence:
    """What a layer runs over; `states` are what it is called with, `count` how many it has."""
    batch = x.shape[0]
    mask = site.mask
    if site.config.flag("go_backwards"):
        x = reverse(x, axes=(1,))
        mask = None if mask is None else reverse(mask, axes=(1,))
    compact = None if mask is None else compacted(mask)
    if compact is not None:
        x = compact.front(x)
    given = [*states, *site.named.pop("initial_state", ())]
    kept: list[Value] = []
    if site.config.flag("stateful") and not given:
        kept = _kept(site, batch, units, count)
    first = tuple(reshape(state, shape=(1, state.shape[0], units)) for state in given or kept)
    return _Sequence(transpose(x, perm=(1, 0, 2)), compact, first, tuple(kept))


def _kept(site: Site, batch: Dim, units: int, count: int) -> list[Value]:
    """The states of a stateful layer, inputs of the model; Keras wants the size of the batch for them."""
    if not isinstance(batch, int):
        site.note(
            f"the layer {site.layer.name!r} keeps its state from run to run in Keras; here every run starts anew, for "
            "the batch has no known size"
        )
        return []
    type = TensorType(site.dtype, (batch, units))
    return [site.scope.builder.state(f"{site.layer.name}/state_{place}", type) for place in range(count)]


def _results(site: Site, run: _Sequence, y: Value, last: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of a layer: all steps or the last one, and the states where they are asked for."""
    ends = [reshape(state, shape=state.shape[1:]) for state in last]
    for begin, end in zip(run.kept, ends, strict=False):
        site.scope.builder.keep(begin, end)
    found: Value = ends[0]
    if site.config.flag("return_sequences"):
        steps = reshape(y, shape=(y.shape[0], y.shape[2], y.shape[3]))
        found = transpose(steps, perm=(1, 0, 2))
        if run.compact is not None:
            found = spread(run.compact, found, zeros=site.config.flag("zero_output_for_mask"))
            site.result_mask = site.mask
    site.config.ignore("zero_output_for_mask")
    return (found, *ends) if site.config.flag("return_state") else (found,)


@handlers.layer("LSTM", "CuDNNLSTM")
def long_short(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """LSTM (keras/src/layers/rnn/lstm.py); Keras 1 stored i, c, f, o apart."""
    if site.layer.kind == "CuDNNLSTM":
        site.refuse("weights laid out for cuDNN", "save the model with LSTM layers")
    _settings(site)
    inner = gate(site, site.config.raw("recurrent_activation", "sigmoid"))
    outer = gate(site, site.config.raw("activation", "tanh"))
    layer = _weights(site, x, (0, 3, 1, 2), (0, 2, 1, 3))
    run = _sequence(site, x, states, layer.units, 2)
    h, c = (run.first[0], run.first[1]) if len(run.first) == 2 else (None, None)
    y, last_h, last_c = lstm(
        run.x,
        layer.w,
        layer.r,
        layer.b,
        run.lengths,
        h,
        c,
        None,
        direction="forward",
        functions=(inner, outer, outer),
        clip=None,
        coupled=False,
    )
    return _results(site, run, y, (last_h, last_c))


@handlers.layer("GRU")
def gated(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """GRU (keras/src/layers/rnn/gru.py); before tf.keras 2 the reset came before the product."""
    reset_after = site.config.flag("reset_after")
    _settings(site)
    inner = gate(site, site.config.raw("recurrent_activation", "sigmoid"))
    outer = gate(site, site.config.raw("activation", "tanh"))
    layer = _weights(site, x, (0, 1, 2), (0, 1, 2), reset_after)
    run = _sequence(site, x, states, layer.units)
    y, last = gru(
        run.x,
        layer.w,
        layer.r,
        layer.b,
        run.lengths,
        run.first[0] if run.first else None,
        direction="forward",
        functions=(inner, outer),
        clip=None,
        linear_before_reset=reset_after,
    )
    return _results(site, run, y, (last,))


@handlers.layer("SimpleRNN")
def simple(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """SimpleRNN."""
    _settings(site)
    function = gate(site, site.config.raw("activation", "tanh"))
    layer = _weights(site, x, (0,), (0,))
    run = _sequence(site, x, states, layer.units)
    y, last = rnn(
        run.x,
        layer.w,
        layer.r,
        layer.b,
        run.lengths,
        run.first[0] if run.first else None,
        direction="forward",
        functions=(function,),
        clip=None,
    )
    return _results(site, run, y, (last,))
