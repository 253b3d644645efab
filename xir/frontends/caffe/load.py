"""A Caffe file becomes a graph: read, choose the phase, import by handlers."""

from __future__ import annotations

from dataclasses import replace

from xir.frontends._handlers import Handlers
from xir.frontends.caffe.handlers import HANDLERS
from xir.frontends.caffe.importer import Importer
from xir.frontends.caffe.net import filter_net
from xir.frontends.caffe.reader import Document, read
from xir.frontends.caffe.site import Handler
from xir.frontends.options import Loaded, LoadOptions


def load_caffe(path: str, options: LoadOptions, handlers: Handlers[Handler] = HANDLERS) -> Loaded:
    """The graph of a prototxt, a caffemodel, or both.

    Args:
        path: a prototxt or a file with weights.
        options: phase, stages, input types, and what else a person may say.
        handlers: layer type -> handler; a person's own layers are merged in.

    Raises:
        FormatError, InvalidModelError, UnsafeError, FileError: the file is damaged, contradicts itself, or asks for
            too much.
        UnsupportedError: with every layer that cannot be taken.
    """
    document = read(path, options.prototxt)
    net = filter_net(document.net, options.phase, stages=options.stages)
    keep = options.losses if options.losses is not None else options.phase == "TRAIN"
    nearby = document.companion.candidates if document.companion is not None else ()
    importer = Importer(
        replace(net, notes=document.notes),
        handlers,
        phase=options.phase,
        losses="keep" if keep else "drop",
        overrides=options.inputs,
        nearby=nearby,
        seed=options.seed,
    )
    imported = importer.run()
    return Loaded(imported.graph, "caffe", _files(path, document), len(net.layers), imported.notes)


def _files(path: str, document: Document) -> tuple[str, ...]:
    found = (document.prototxt, document.weights, path)
    return tuple(dict.fromkeys(file for file in found if file is not None))
