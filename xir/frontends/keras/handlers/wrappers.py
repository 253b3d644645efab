"""Layers around a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from xir.frontends._handlers import Handlers
from xir.frontends.keras.model import TFJS, Json, Layer, Network, Weights
from xir.frontends.keras.networks import read_layer
from xir.frontends.keras.owners import weights_of_layers
from xir.frontends.keras.site import Cursor, Handler, Site
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

    bidirectional.py, `force_zero_output_for_mask`; Keras 2 itself, whose versions end at 2.3, did not, nor does
    TensorFlow.js (tfjs-layers/src/layers/wrappers.ts).
    """
    version = site.scope.model.version
    is_itself = site.generation == 1 or (version.startswith(("2.0.", "2.1.", "2.2.", "2.3.")) and "tf" not in version)
    if is_itself or version.startswith(TFJS):
        return layer
    return replace(layer, config={**layer.config, "zero_output_for_mask": layer.config.get("return_sequences", False)})


@handlers.layer("SpectralNormalization")
def normalized(site: Site, x: Value) -> tuple[Value, ...]:
    """SpectralNormalization (Miyato et al. 2018): in inference the layer as it is, with the weights of training."""
    site.config.ignore("power_iterations")
    layer = read_layer(site.config.raw("layer"), site.generation)
    if site.cursor.weights.parts is None:
        site.refuse("a SpectralNormalization whose weights stand in one list", "save the model as .keras")
    while site.cursor.next() is not None:
        pass  # the kernel once more, and the vector that training goes on from
    return site.scope.builder.inner(site, layer, site.cursor.part("layer"), (x,))


@handlers.layer("Pipeline")
def in_a_row(site: Site, x: Value) -> tuple[Value, ...]:
    """Pipeline: layers without weights one after another (keras/src/layers/preprocessing/pipeline.py)."""
    for held in site.config.listed("layers"):
        layer = read_layer(held, site.generation)
        (x,) = site.scope.builder.inner(site, layer, Cursor(Weights((), {})), (x,))
    return (x,)


_CELLS: Mapping[str, str] = MappingProxyType({"LSTMCell": "LSTM", "GRUCell": "GRU", "SimpleRNNCell": "SimpleRNN"})


def _layer_of(site: Site, cell: Layer, **settings: Json) -> Layer:
    """The recurrent layer that runs a cell over all steps."""
    if cell.kind not in _CELLS:
        site.refuse(f"a recurrent layer of cells {cell.kind!r}", "write it with LSTM, GRU or SimpleRNN")
    return replace(cell, kind=_CELLS[cell.kind], config={**cell.config, **settings})


def _cells(site: Site, cell: Layer) -> list[tuple[Layer, Cursor]]:
    """The cells of a layer, one on top of the other, with their weights."""
    if cell.kind != "StackedRNNCells":
        return [(cell, site.cursor)]
    listed = cell.config.get("cells")
    found = [read_layer(each, site.generation) for each in listed] if isinstance(listed, list) else []
    network = Network(cell.name, tuple(found), (), ())
    held = site.cursor.part("cell").weights
    if held.parts is None:
        return [(each, site.cursor.first(3 if each.config.get("use_bias", True) else 2)) for each in found]
    owned = weights_of_layers(network, Weights((), {"layers": held.parts.get("cells", Weights((), {}))}))
    return [(each, Cursor(Weights((), {"cell": owned[each.name]}))) for each in found]


@handlers.layer("RNN")
def over_cells(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """RNN: cells run over the steps of a sequence, each over what the one before gives (layers/rnn/rnn.py)."""
    shared = ("go_backwards", "stateful", "zero_output_for_mask")
    settings = {name: site.config.raw(name) for name in shared}
    site.config.ignore("unroll", "return_sequences", "return_state")
    if site.config.flag("time_major"):
        site.refuse("sequences with time before the batch")
    cell = read_layer(site.config.raw("cell"), site.generation)
    told = site.layer.config
    site.config.ignore(*(name for name in cell.config if told.get(name) == cell.config[name]))  # TensorFlow.js, twice
    cells = _cells(site, cell)
    given = [*states, *site.named.pop("initial_state", ())]
    ends: list[Value] = []
    for place, (cell, cursor) in enumerate(cells):
        last = place == len(cells) - 1
        layer = _layer_of(
            site,
            cell,
            **(settings if not place else {**settings, "go_backwards": False}),
            return_sequences=not last or site.config.flag("return_sequences"),
            return_state=True,
        )
        count = (2 if layer.kind == "LSTM" else 1) if given else 0
        x, *more = site.scope.builder.inner(site, layer, cursor, (x, *given[:count]))
        given = given[count:]
        ends += more
    site.result_mask = site.mask if site.config.flag("return_sequences") else None
    return (x, *ends) if site.config.flag("return_state") else (x,)


@handlers.layer("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells")
def one_step(site: Site, x: Value, *states: Value) -> tuple[Value, ...]:
    """Cells called by themselves: [N, I] and the states of each, as one step of the layers that run them."""
    given = [*states, *site.named.pop("states", ())]
    site.config.ignore(*site.layer.config)
    if site.cursor.weights.parts is not None:
        site.cursor = Cursor(Weights((), {"cell": site.cursor.weights}))
    ends: list[Value] = []
    for cell, cursor in _cells(site, site.layer):
        layer = _layer_of(site, cell, return_state=True)
        count = 2 if layer.kind == "LSTM" else 1
        sequence = reshape(x, shape=(x.shape[0], 1, x.shape[1]))
        held = cursor if cursor.weights.parts is not None else cursor.rest()
        x, *more = site.scope.builder.inner(site, layer, held, (sequence, *given[:count]))
        given = given[count:]
        ends += more
    site.cursor = Cursor(Weights())
    return (x, *ends)
