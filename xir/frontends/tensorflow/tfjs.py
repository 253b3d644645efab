"""Graph models of TensorFlow.js: a graph as JSON, its constants in shards beside it (`xir.frontends._tfjs`)."""

from __future__ import annotations

from dataclasses import replace

from xir.files import MappedFile, open_mapped
from xir.frontends._json import Json, parse_json
from xir.frontends._tfjs import kind_of, read_weights
from xir.frontends.tensorflow.lookups import Tables
from xir.frontends.tensorflow.model import TfGraph
from xir.frontends.tensorflow.proto.json_form import message_of
from xir.frontends.tensorflow.reader import graph_of
from xir.frontends.tensorflow.saved_model import SavedModel, Signature, signature_of
from xir.frontends.tensorflow.variables import Variables


def looks_like_graph_model(file: MappedFile) -> bool:
    """Whether a file is JSON with a graph of nodes and a manifest of weights."""
    return kind_of(file) == "graph"


def read_graph_model(path: str, *, trust_links: bool = False) -> SavedModel:
    """The model in a `model.json`, with the shards that it names.

    Args:
        path: the JSON file.
        trust_links: takes shards that are links.

    Raises:
        InvalidModelError, FormatError: JSON, graph, manifest or shards do not belong together.
        UnsafeError, FileError: a shard lies elsewhere, is a link or too large, or is not there.
    """
    file = open_mapped(path)
    found = parse_json(file.read_at(0, file.size), what="the model", file=path)
    told = found.maybe("signature")
    graph = graph_of(message_of(found.field("modelTopology"), "GraphDef"), path)
    weights = read_weights(found.field("weightsManifest"), trust_links=trust_links)
    graph = replace(graph, held=weights.held)
    signature = None if told is None or not told.maybe("outputs") else _signature(told, graph, path)
    return SavedModel(path, graph, "", signature, (), Variables(None, {}), Tables(graph), shards=weights.files)


def _signature(told: Json, graph: TfGraph, path: str) -> Signature:
    """The signature; inputs that no node of the graph is any more (files keep them) fall away."""
    parts = {name: told.field(name).value for name in ("inputs", "outputs") if told.maybe(name) is not None}
    found = signature_of(message_of(Json(parts, "signature", path), "SignatureDef"), path)
    return Signature({name: fed for name, fed in found.inputs.items() if fed[0].node in graph.nodes}, found.outputs)
