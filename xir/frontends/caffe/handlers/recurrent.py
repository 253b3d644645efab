"""RNN, LSTM and LSTMUnit (recurrent_layer.cpp, rnn_layer.cpp, lstm_layer.cpp, lstm_unit_layer.cpp)."""

from __future__ import annotations

from collections.abc import Sequence

from xir.errors import InvalidModelError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers._geometry import count, known, require_axes, require_positive
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.site import Handler, Site
from xir.ir.node import Value
from xir.ops.recurrent import continued_lstm, continued_rnn, lstm_unit
from xir.ops.shape import reshape

handlers: Handlers[Handler] = Handlers("caffe")

_STREAMS = 2  # bottoms that always stand: the sequence and its continuation marks


class _Bottoms:
    """The bottoms by meaning: x, cont, an optional static input, and the start states of `expose_hidden`."""

    def __init__(self, site: Site, param: Message, xs: Sequence[Value], states: int) -> None:
        exposed = states if param.boolean("expose_hidden") else 0
        param.ignore("debug_info")
        if len(xs) - exposed not in (_STREAMS, _STREAMS + 1) or site.top_count not in (1, 1 + exposed):
            raise InvalidModelError(
                f"the layer has {len(xs)} bottoms and {site.top_count} tops; expected a sequence, its continuation "
                f"marks, perhaps a static input, and {exposed} start states (recurrent_layer.cpp)"
            )
        self.x, self.cont = xs[0], xs[1]
        self.static = xs[2] if len(xs) - exposed > _STREAMS else None
        self.states = tuple(xs[len(xs) - exposed :]) if exposed else ()
        if self.x.rank < 2:
            raise InvalidModelError(f"[time, streams, ...] is needed, got {self.x.type!r}")
        if not exposed:
            site.note("Caffe carries its state from one batch to the next; the graph starts each run from zeros")


def _input_weights(site: Site, param: Message, bottoms: _Bottoms, rows: int) -> tuple[Value, Value, Value | None]:
    """Weights of the input, the bias, and weights of the static input, in the order of the layer's blobs."""
    filler, bias_filler = param.message("weight_filler"), param.message("bias_filler")
    columns = known(count(bottoms.x.shape[2:]), "the size of the input of a step")
    w_x = site.weight(0, "weight_input", (rows, columns), filler)
    b = site.weight(1, "bias", (rows,), bias_filler)
    if bottoms.static is None:
        return w_x, b, None
    wide = known(count(bottoms.static.shape[1:]), "the size of the static input")
    return w_x, b, site.weight(2, "weight_static", (rows, wide), filler)


def _outputs(param: Message) -> int:
    outputs = param.integer("num_output")
    require_positive("num_output", outputs)
    return outputs


@handlers.layer("LSTM")
def lstm(site: Site, *xs: Value) -> list[Value]:
    """An LSTM over [T, N, ...] with continuation marks [T, N]; with `expose_hidden` h and c go in and come out."""
    param = site.param("recurrent_param")
    size = _outputs(param)
    bottoms = _Bottoms(site, param, xs, 2)
    w_x, b, w_static = _input_weights(site, param, bottoms, 4 * size)
    w_h = site.weight(2 if w_static is None else 3, "weight_hidden", (4 * size, size), param.message("weight_filler"))
    h_start, c_start = bottoms.states or (None, None)
    made = continued_lstm(bottoms.x, bottoms.cont, w_x, b, w_h, bottoms.static, w_static, h_start, c_start)
    return list(made[: site.top_count])


@handlers.layer("RNN")
def rnn(site: Site, *xs: Value) -> list[Value]:
    """A plain recurrent layer with an output layer of its own; both use tanh (rnn_layer.cpp)."""
    param = site.param("recurrent_param")
    size = _outputs(param)
    bottoms = _Bottoms(site, param, xs, 1)
    w_x, b, w_static = _input_weights(site, param, bottoms, size)
    first = 2 if w_static is None else 3
    filler = param.message("weight_filler")
    w_h = site.weight(first, "weight_hidden", (size, size), filler)
    w_o = site.weight(first + 1, "weight_output", (size, size), filler)
    b_o = site.weight(first + 2, "bias_output", (size,), param.message("bias_filler"))
    (h_start,) = bottoms.states or (None,)
    made = continued_rnn(bottoms.x, bottoms.cont, w_x, b, w_h, w_o, b_o, bottoms.static, w_static, h_start)
    return list(made[: site.top_count])


@handlers.layer("LSTMUnit")
def lstm_unit_layer(site: Site, c_previous: Value, gates: Value, cont: Value) -> tuple[Value, Value]:
    """One step of an LSTM: [1, N, D], [1, N, 4 D] and marks [1, N] give c and h (lstm_unit_layer.cpp)."""
    require_axes(c_previous, 3)
    require_axes(gates, 3)
    require_axes(cont, 2)
    if any(value.shape[0] != 1 for value in (c_previous, gates, cont)):
        raise InvalidModelError(f"one step is needed, got {c_previous.type!r}, {gates.type!r} and {cont.type!r}")
    c, h = lstm_unit(
        reshape(c_previous, shape=c_previous.shape[1:]),
        reshape(gates, shape=gates.shape[1:]),
        reshape(cont, shape=cont.shape[1:]),
    )
    return reshape(c, shape=c_previous.shape), reshape(h, shape=c_previous.shape)
