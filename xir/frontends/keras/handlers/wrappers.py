"""Layers around a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from xir.frontends._handlers import Handlers
from xir.frontends.keras.model import Layer
from xir.frontends.keras.networks import read_layer
from xir.frontends.keras.site import Handler, Site
from xir.ir.node import Value
from xir.ops import elementwise
from xir.ops._build import scalar_like
from xir.ops.shape import concat, reshape, reverse

handlers: Handlers[Handler] = Handlers("keras")

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU")


@handlers.layer("TimeDistributed")
def each_step(site: Site, x: Value) -> Value:
    """TimeDistributed: the layer on every step, as if the steps were a batch."""
    layer = read_layer(site.config.raw("layer"), site.generation)
    batch = x.shape[0] * x.shape[1]
    steps = reshape(x, shape=(batch, *x.shape[2:]))
    cursor = site.cursor.part("layer").rest()
    made = site.scope.builder.inner(site, layer, cursor, (steps,))
    if len(made) != 1:
        site.refuse("a layer with several results for every step")
    site.result_mask = site.mask
    return reshape(made[0], shape=(x.shape[0], x.shape[1], *made[0].shape[1:]))


def _averaged(x: Value, y: Value) -> Value:
    return elementwise.mul(elementwise.add(x, y), scalar_like(x, 0.5))


def _joined(x: Value, y: Value) -> Value:
    return concat(x, y, axis=x.rank - 1)


_MERGES: Mapping[str, Callable[[Value, Value], Value]] = MappingProxyType(
    {"concat": _joined, "sum": elementwise.add, "mul": elementwise.mul, "ave": _averaged}
)


@handlers.layer("Bidirectional")
def both_ways(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """Bidirectional: a recurrent layer and its like that runs backwards (keras/src/layers/rnn/bidirectional.py)."""
    config = site.config
    forward = read_layer(config.raw("layer"), site.generation)
    held = config.raw("backward_layer")
    backward = _turned(forward) if held is None else read_layer(held, site.generation)
    for layer in (forward, backward):
        if layer.kind not in _RECURRENT:
            site.refuse(f"a layer {layer.kind!r} that runs both ways")
    forward, backward = _shown(site, forward), _shown(site, backward)
    parts = site.cursor.weights.parts
    cursors = (
        site.cursor.halves()
        if parts is None
        else (site.cursor.part("forward_layer"), site.cursor.part("backward_layer"))
    )
    given = [*states, *site.named.pop("initial_state", ())]
    half = len(given) // 2
    first, second = given[:half], given[half:]
    build = site.scope.builder.inner
    there, *ends = build(site, forward, cursors[0], (x, *first))
    back, *other_ends = build(site, backward, cursors[1], (x, *second))
    if forward.config.get("return_sequences"):
        back = reverse(back, axes=(1,))
        site.result_mask = site.mask
    mode = config.raw("merge_mode", "concat")
    if mode is None:
        return (there, back, *ends, *other_ends)
    if not isinstance(mode, str) or mode not in _MERGES:
        site.invalid(f"the setting 'merge_mode' is {mode!r}")
    return (_MERGES[mode](there, back), *ends, *other_ends)


def _turned(layer: Layer) -> Layer:
    """The layer that runs the other way."""
    config = {**layer.config, "go_backwards": not layer.config.get("go_backwards")}
    return replace(layer, config=config)


def _shown(site: Site, layer: Layer) -> Layer:
    """The layer with zeros for steps that do not count, as the Bidirectional of tf.keras and Keras 3 makes its layers.

    bidirectional.py, `force_zero_output_for_mask`; Keras 2 itself, whose versions end at 2.3, did not.
    """
    version = site.scope.model.version
    is_itself = site.generation == 1 or (version.startswith(("2.0.", "2.1.", "2.2.", "2.3.")) and "tf" not in version)
    if is_itself:
        return layer
    return replace(layer, config={**layer.config, "zero_output_for_mask": layer.config.get("return_sequences", False)})
