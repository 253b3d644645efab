"""TensorFlow graphs among the formats: recognized by how they begin, loaded with the options that concern them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from xir.frontends.options import Loaded, LoadOptions
from xir.frontends.state import state_notes
from xir.frontends.tensorflow._cutting import Cut, cut
from xir.frontends.tensorflow._placed import source_notes
from xir.frontends.tensorflow.importer import Imported, Importer, build, build_saved
from xir.frontends.tensorflow.lookups import Tables
from xir.frontends.tensorflow.model import TfGraph
from xir.frontends.tensorflow.reader import looks_like_graph, read_graph
from xir.frontends.tensorflow.saved_model import (
    META,
    SavedModel,
    looks_like_meta_graph,
    looks_like_saved_model,
    read_meta_graph,
    read_saved_model,
)
from xir.frontends.tensorflow.tfjs import looks_like_graph_model, read_graph_model
from xir.ir.types import Type

__all__ = [
    "load_graph",
    "load_meta",
    "load_saved",
    "load_tfjs",
    "looks_like_graph",
    "looks_like_graph_model",
    "looks_like_meta_graph",
    "looks_like_saved_model",
]


def load_graph(path: str, options: LoadOptions) -> Loaded:
    """The graph of a GraphDef file.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError: as `import_tensorflow`.
    """
    model = read_graph(path)
    part = cut(
        Cut(model, None, options.inputs), options.cuts, options.outputs, lambda types: Importer(model, dict(types))
    )
    graph = build(part.graph, inputs=part.inputs, outputs=options.outputs, tables=Tables(model))
    notes = (*_left_out(part.graph), *source_notes(part.graph, graph.input_names))
    return Loaded(graph, "tensorflow", (path,), len(model.nodes), notes)


def load_saved(path: str, options: LoadOptions) -> Loaded:
    """The graph of a signature of a SavedModel: `options.method`, or the one that is served by default.

    Raises:
        UsageError: there is no such signature.
        FormatError, UnsupportedError, InvalidModelError, UnsafeError, FileError: as `read_saved_model` and `build`.
    """
    return _saved(read_saved_model(path, method=options.method, trust_links=options.trust_links), options)


def load_meta(path: str, options: LoadOptions) -> Loaded:
    """The graph of a MetaGraph with the weights of its checkpoint, or that of a signature of it.

    Raises:
        UsageError: there is no such signature.
        FormatError, UnsupportedError, InvalidModelError, UnsafeError, FileError: as `read_meta_graph` and `build`.
    """
    trust = options.trust_links
    return _saved(read_meta_graph(path, method=options.method, outputs=options.outputs, trust_links=trust), options)


def load_tfjs(path: str, options: LoadOptions) -> Loaded:
    """The graph of a graph model of TensorFlow.js.

    Raises:
        FormatError, UnsupportedError, InvalidModelError, UnsafeError, FileError: as `read_graph_model` and `build`.
    """
    model = read_graph_model(path, trust_links=options.trust_links)
    imported, notes = _imported(model, options)
    return Loaded(imported.graph, "tfjs", model.files, model.graph.held_nodes(), tuple(notes))


def _saved(model: SavedModel, options: LoadOptions) -> Loaded:
    imported, notes = _imported(model, options)
    notes += state_notes(imported.state)
    if model.others and options.method is None:
        told = ", ".join(repr(name) for name in model.others)
        read = f"the signature {model.name!r}" if model.name else "the graph"
        notes.append(f"{read} is read; there are the signatures {told} too (--method NAME)")
    opened = {os.path.basename(path) for path in model.tables.files}
    unread = [name for name in model.tables.assets.values() if os.path.basename(name) not in opened]
    if unread:
        notes.append(f"files that it brings along are not read: {', '.join(repr(name) for name in unread)}")
    format = "saved_model" if model.name and not model.path.endswith(META) else "meta_graph"
    nodes = model.graph.held_nodes()
    return Loaded(imported.graph, format, model.files, nodes, tuple(notes), state=imported.state)


def _imported(model: SavedModel, options: LoadOptions) -> tuple[Imported, list[str]]:
    """What a model is where it is cut, and what a person should know of it."""

    def trial(types: Mapping[str, Type]) -> Importer:
        return Importer(model.graph, dict(types), model.signature, model.variables, model.tables)

    outputs = options.outputs if model.signature is not None else options.outputs or model.outputs or None
    part = cut(Cut(model.graph, model.signature, options.inputs), options.cuts, outputs, trial)
    imported = build_saved(
        replace(model, graph=part.graph, signature=part.signature), inputs=part.inputs, outputs=options.outputs
    )
    return imported, [*_left_out(part.graph), *source_notes(part.graph, imported.graph.input_names)]


def _left_out(model: TfGraph) -> tuple[str, ...]:
    left = sorted({node.kind for node in model.nodes.values() if node.kind in ("Assert", "Print", "PrintV2")})
    return tuple(f"{kind} is left out: it computes nothing" for kind in left)
