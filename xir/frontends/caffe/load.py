"""A Caffe file becomes a graph: read, choose the phase, import by handlers."""

from __future__ import annotations

from dataclasses import replace

from xir.errors import XirError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers import HANDLERS
from xir.frontends.caffe.importer import Importer
from xir.frontends.caffe.kinds import DATA, LOSS, METRIC, REFUSED, SINK, TRAINING, told_dropped
from xir.frontends.caffe.missing import check_missing, layers_of, some_of
from xir.frontends.caffe.net import Layer, Net, filter_net
from xir.frontends.caffe.net_fields import with_net_fields
from xir.frontends.caffe.plugins import Plugin, extended, installed_plugins, load_plugins, merged, owners
from xir.frontends.caffe.preprocess import Preprocessing
from xir.frontends.caffe.prototext import UnknownFieldError
from xir.frontends.caffe.reader import Document, read, read_mean
from xir.frontends.caffe.schema import load_schema
from xir.frontends.caffe.site import Handler
from xir.frontends.options import Loaded, LoadOptions

_NO_HANDLER = DATA | LOSS | METRIC | SINK | TRAINING | REFUSED.keys() | {"Input", "Python"}


def load_caffe(path: str, options: LoadOptions, handlers: Handlers[Handler] = HANDLERS) -> Loaded:
    """The graph of a prototxt, a caffemodel, or both.

    Args:
        path: a prototxt or a file with weights.
        options: phase, stages, input types, and what else a person may say.
        handlers: layer type -> handler; a person's own layers are merged in.

    Raises:
        FormatError, InvalidModelError, UnsafeError, FileError: the file is damaged, contradicts itself, lacks weights
            of the net's layers, or asks for too much.
        UnsupportedError: with every layer that cannot be taken.
        UsageError: an option does not fit the file, or a plugin is wrong.
    """
    document, plugins, table = _read(path, options, handlers)
    net, told = with_net_fields(filter_net(document.net, options.phase, stages=options.stages))
    keep = options.losses if options.losses is not None else options.phase == "TRAIN"
    nearby = document.companion.candidates if document.companion is not None else ()
    importer = Importer(
        replace(net, notes=(*document.notes, *told, *_unused_notes(document))),
        table,
        phase=options.phase,
        losses="keep" if keep else "drop",
        overrides=options.inputs,
        wanted=options.outputs,
        whole=document.net,
        preprocessing=_preprocessing(document, net, options),
        plugins=owners(plugins),
        nearby=nearby,
        seed=options.seed,
        trust_links=options.trust_links,
    )
    importer.notes += _dropped_by_phase(document.net, net)
    imported = importer.run()
    if document.weights is not None and not options.fill_missing:
        check_missing(tuple(dict.fromkeys(imported.filled.values())), document.unused, document.weights)
    return Loaded(
        imported.graph, "caffe", _files(path, document), len(net.layers), imported.notes, tuple(imported.filled)
    )


def _dropped_by_phase(whole: Net, net: Net) -> list[str]:
    """Notes about losses that the net has only in another phase, as about those that it has in this one."""
    left = frozenset(id(layer) for layer in net.layers)
    kinds = [layer.kind for layer in net.layers]
    return [
        told_dropped(layer.name, layer.kind, kinds)
        for layer in whole.layers
        if layer.kind in LOSS and id(layer) not in left and net.state.phase == "TEST"
    ]


def _read(
    path: str, options: LoadOptions, handlers: Handlers[Handler]
) -> tuple[Document, tuple[Plugin, ...], Handlers[Handler]]:
    """The document, with the plugins that the person named, and the installed ones where something is not known."""
    plugins = load_plugins(options.plugins)
    table = merged(handlers, plugins)
    schema = extended(load_schema(), plugins)
    try:
        document = read(path, options.prototxt, schema=schema)
    except UnknownFieldError:
        more = installed_plugins()
        if not any(plugin.fields for plugin in more):
            raise
        return read(path, options.prototxt, schema=extended(schema, more)), (*plugins, *more), merged(table, more)
    if not _unknown(document.net, table):
        _refuse_strangers(document.net, table)
        return document, plugins, table
    more = installed_plugins()
    table = merged(table, more)
    if any(plugin.fields for plugin in more) and any(layer.parameters.strangers for layer in document.net.layers):
        document = read(path, options.prototxt, schema=extended(schema, more))
    _refuse_strangers(document.net, table)
    return document, (*plugins, *more), table


def _refuse_strangers(net: Net, handlers: Handlers[Handler]) -> None:
    """Refuses parameters that a layer of a known type does not have; the importer tells all layers of unknown types."""
    for layer in net.layers:
        if layer.parameters.strangers and (layer.kind in handlers or layer.kind in _NO_HANDLER):
            stranger = layer.parameters.strangers[0]
            raise UnknownFieldError(
                f"line {stranger.line}: LayerParameter has no field {stranger.name!r}",
                stranger.name,
                "LayerParameter",
                file=layer.file,
                hint=stranger.hint,
            ).located(layer.location)


def _unused_notes(document: Document) -> tuple[str, ...]:
    unused = document.unused
    if not unused:
        return ()
    return (f"weights of {layers_of(unused)} that the net does not have are not used ({some_of(unused)})",)


def _unknown(net: Net, handlers: Handlers[Handler]) -> bool:
    return any(layer.kind not in handlers and layer.kind not in _NO_HANDLER for layer in net.layers)


def _preprocessing(document: Document, net: Net, options: LoadOptions) -> Preprocessing | None:
    """What to put in front of the input; a deploy net's is told by the training net that the weights' file holds."""
    if not options.preprocess:
        return None
    mean = read_mean(options.mean) if options.mean is not None else None
    source = None
    if not any(layer.kind in DATA for layer in net.layers) and document.weights is not None:
        source = _training_data(document.weights)
    return Preprocessing(mean, source, options.trust_links)


def _training_data(weights: str) -> Layer | None:
    """The first data layer with a transform_param in a caffemodel's own net."""
    try:
        net = read(weights, companion=False).net
    except XirError:
        return None  # an HDF5 snapshot has no net; the caffemodel itself was read before
    return next((one for one in net.layers if one.kind in DATA and one.parameters.has("transform_param")), None)


def _files(path: str, document: Document) -> tuple[str, ...]:
    found = (document.prototxt, document.weights, path)
    return tuple(dict.fromkeys(file for file in found if file is not None))
