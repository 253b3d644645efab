"""SavedModels and MetaGraphs: a graph with signatures, its variables in a checkpoint beside it.

Source: tensorflow/core/protobuf/{saved_model,meta_graph,saved_object_graph}.proto and
tensorflow/cc/saved_model/constants.h.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from xir.errors import FormatError, InvalidModelError, UnsupportedError, UsageError
from xir.files import MappedFile, open_beneath, open_mapped, read_text
from xir.frontends._wire import LENGTH, VARINT, Span, Wire
from xir.frontends.tensorflow._outputs import found_outputs
from xir.frontends.tensorflow._reach import reached, written
from xir.frontends.tensorflow.bundle.checkpoint import Checkpoint, open_checkpoint
from xir.frontends.tensorflow.bundle.reader import SUFFIX
from xir.frontends.tensorflow.lookups import Tables
from xir.frontends.tensorflow.model import Edge, TfGraph, parse_edge
from xir.frontends.tensorflow.proto.binary import read_message
from xir.frontends.tensorflow.proto.message import Message
from xir.frontends.tensorflow.proto.pbtxt import parse_text
from xir.frontends.tensorflow.reader import graph_of, holds_graph
from xir.frontends.tensorflow.tensors import dtype_of, shape_of_message, type_of
from xir.frontends.tensorflow.variables import Variables, restored
from xir.ir.types import Type
from xir.limits import MAX_TEXT_BYTES

FILES = ("saved_model.pb", "saved_model.pbtxt")
"""What a SavedModel's own file in its folder is called."""

DEFAULT = "serving_default"
"""The signature that is taken unless another one is asked for."""

META = ".meta"
"""How the name of a MetaGraph's file ends; its checkpoint is called as it is without that."""

_INPUTS = frozenset(("Placeholder", "PlaceholderV2"))

_SERVE = "serve"
_INITIALISE = "__saved_model_init_op"
_STEPS = frozenset((_INITIALISE, "__saved_model_train_op"))
"""Signatures that name a step and compute nothing."""

_ASSETS = "assets"
"""The folder of the files that a model brings along."""

_INT64 = 9
"""The DataType of places and sizes of sparse tensors (types.proto)."""

_GRAPH, _FIELDS = 2, 7
"""The field of MetaGraphDef that is the graph, and the last of its fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """A way into a model.

    Attributes:
        inputs: {name: (what is fed, its type)}.
        outputs: {name: what is computed}.
    """

    inputs: Mapping[str, tuple[Edge, Type]]
    outputs: Mapping[str, Edge]


@dataclass(frozen=True, slots=True, eq=False)
class SavedModel:
    """A SavedModel, or a MetaGraph with its checkpoint.

    Attributes:
        path: the file.
        graph: its graph.
        name: the signature's, or the empty text.
        signature: the way in that was chosen; None where a MetaGraph is taken as a graph.
        others: the names of other ones.
        variables: its variables.
        tables: its lookup tables, and the files that it brings along.
        outputs: without a signature: the results to compute.
        shards: files of weights of its own, besides those of its variables.
    """

    path: str
    graph: TfGraph
    name: str
    signature: Signature | None
    others: tuple[str, ...]
    variables: Variables
    tables: Tables
    outputs: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it was read from so far."""
        kept = () if self.variables.checkpoint is None else self.variables.checkpoint.files
        return (self.path, *self.shards, *kept, *self.tables.files)


def file_in(folder: str) -> str | None:
    """The file of the SavedModel in a folder, or None."""
    return next((path for path in (os.path.join(folder, name) for name in FILES) if os.path.isfile(path)), None)


def looks_like_saved_model(file: MappedFile) -> bool:
    """Whether a file is a SavedModel: a version, then graphs, and nothing else (saved_model.proto)."""
    if file.path.endswith(".pbtxt"):
        return os.path.basename(file.path) == FILES[1]
    wire = Wire(file, "SavedModel")
    seen: list[tuple[int, int]] = []
    try:
        for number, kind, start, stop in wire.records(Span(0, file.size)):
            seen.append((number, kind))
            if (number, kind) == (2, LENGTH):
                return _is_meta_graph(wire, Span(start, stop))
            if (number, kind) != (1, VARINT):
                return False
    except FormatError:
        return False
    return False


def looks_like_meta_graph(file: MappedFile) -> bool:
    """Whether a file is a MetaGraph: the fields of one, of which one is a graph (meta_graph.proto)."""
    try:
        return _is_meta_graph(Wire(file, "MetaGraph"), Span(0, file.size))
    except FormatError:
        return False


def _is_meta_graph(wire: Wire, span: Span) -> bool:
    graphs = 0
    for number, kind, start, stop in wire.records(span):
        if kind != LENGTH or not 1 <= number <= _FIELDS:
            return False
        if number == _GRAPH:
            graphs += 1 if holds_graph(wire, Span(start, stop)) else _FIELDS
    return graphs == 1


def read_saved_model(path: str, *, method: str | None = None, trust_links: bool = False) -> SavedModel:
    """The SavedModel whose file this is.

    Args:
        path: `saved_model.pb` or `.pbtxt`.
        method: the signature, instead of the one that is served by default.
        trust_links: takes files of variables that are links.

    Raises:
        FormatError: a file is damaged.
        UsageError: there is no such signature, or several and none of them is the default.
        InvalidModelError, UnsupportedError, UnsafeError, FileError: what it holds is not to be read.
    """
    file = open_mapped(path)
    if path.endswith(".pbtxt"):
        message = parse_text(read_text(path, MAX_TEXT_BYTES), "SavedModel", file=path)
    else:
        message = read_message(Wire(file, "SavedModel"), Span(0, file.size), "SavedModel")
    chosen = _meta_graph(message, path)
    model = _model(chosen, path, _checkpoint(path, trust_links), method=method)
    return replace(model, tables=_tables(chosen, model.graph, os.path.dirname(path), trust_links))


def read_meta_graph(
    path: str, *, method: str | None = None, outputs: Sequence[str] | None = None, trust_links: bool = False
) -> SavedModel:
    """The MetaGraph that a file is, with the checkpoint beside it.

    Args:
        path: the file, `NAME.meta`; its checkpoint is `NAME.index`, or `NAME` itself.
        method: the signature; without one the whole graph is taken.
        outputs: without a signature: the results to compute; else those that no node reads and that depend on an input.
        trust_links: takes files of variables that are links.

    Raises:
        XirError: as `read_saved_model`.
    """
    file = open_mapped(path)
    message = read_message(Wire(file, "MetaGraph"), Span(0, file.size), "MetaGraphDef")
    folder, name = os.path.split(path.removesuffix(META))
    checkpoint = _beside(folder, (name + SUFFIX, name), trust_links) if path.endswith(META) else None
    if method is not None:
        return _model(message, path, checkpoint, method=method)
    graph = graph_of(message.required("graph_def"), path)
    kept = _found(graph) if outputs is None else list(outputs)
    edges = [edge for edge in map(parse_edge, kept) if edge is not None]
    variables = _variables(message, graph, edges, checkpoint)
    others = tuple(sorted(_signatures(message)))
    return SavedModel(path, graph, "", None, others, variables, Tables(graph), tuple(kept))


def _model(chosen: Message, path: str, checkpoint: Checkpoint | None, *, method: str | None) -> SavedModel:
    """The model that a signature of a MetaGraph is."""
    graph = graph_of(chosen.required("graph_def"), path)
    entries = _signatures(chosen)
    name = _chosen(entries, method, path)
    signature = signature_of(entries[name], path)
    others = tuple(sorted(key for key in entries if key != name))
    variables = _variables(chosen, graph, list(signature.outputs.values()), checkpoint)
    return SavedModel(path, graph, name, signature, others, variables, Tables(graph))


def _tables(chosen: Message, graph: TfGraph, folder: str, trust_links: bool) -> Tables:
    """The lookup tables, which a step of the model initialises, from files in the folder of assets too."""
    assets: dict[str, str] = {}
    for each in chosen.messages("asset_file_def"):
        edge = parse_edge(each.required("tensor_info").text("name"))
        if edge is not None:
            assets[edge.node] = each.text("filename")
    step = chosen.entries("signature_def").get(_INITIALISE)
    outputs = () if step is None else step.entries("outputs").values()
    edges = [parse_edge(each.text("name")) for each in outputs]
    starts = [edge.node for edge in edges if edge is not None]

    def opened(name: str) -> MappedFile:
        return open_beneath(folder, f"{_ASSETS}/{name}", trust_links=trust_links)

    return Tables(graph, starts, assets, opened)


def _signatures(graph: Message) -> dict[str, Message]:
    return {key: held for key, held in graph.entries("signature_def").items() if key not in _STEPS}


def _found(graph: TfGraph) -> list[str]:
    """The results that no node reads and that depend on an input: others initialize, save and restore."""
    found: list[str] = []
    for edge in found_outputs(graph):
        if any(node.kind in _INPUTS for node, reach in reached(graph, [edge.node]) if reach.is_top):
            found.append(str(edge))
    return found


def _meta_graph(message: Message, path: str) -> Message:
    """The graph that is there to be served: the only one, or that with the fewest tags beside `serve`."""
    graphs = message.messages("meta_graphs")
    tags = [_tags(each) for each in graphs]
    if len(graphs) == 1:
        return graphs[0]
    served = sorted((len(each), place) for place, each in enumerate(tags) if _SERVE in each)
    if not served:
        raise InvalidModelError(f"none of the graphs is there to be served; their tags are {tags}", file=path)
    return graphs[served[0][1]]


def _tags(graph: Message) -> tuple[str, ...]:
    told = graph.message("meta_info_def")
    return () if told is None else told.texts("tags")


def _chosen(signatures: Mapping[str, Message], method: str | None, path: str) -> str:
    known = ", ".join(map(repr, sorted(signatures))) or "none"
    if method is not None:
        if method not in signatures:
            raise UsageError(f"there is no signature {method!r}; there are {known}", file=path)
        return method
    if not signatures:
        raise UsageError(
            "the model has no signatures, which say its inputs and outputs",
            file=path,
            hint="save it with them: tf.saved_model.save(model, folder, signatures=...), model.export(folder) of Keras",
        )
    if DEFAULT in signatures or len(signatures) == 1:
        return DEFAULT if DEFAULT in signatures else next(iter(signatures))
    raise UsageError(f"no signature is the default; there are {known}", file=path, hint="choose one with --method NAME")


def signature_of(message: Message, path: str) -> Signature:
    """The signature that a SignatureDef describes.

    Raises:
        InvalidModelError: it has no outputs, or names no results of nodes.
        UnsupportedError: tensors that are not dense.
    """
    inputs: dict[str, tuple[Edge, Type]] = {}
    for name, info in _dense(message.entries("inputs")):
        dtype = dtype_of(info.integer("dtype"), f"input {name!r} of the signature")
        inputs[name] = (_edge(name, info, path), type_of(dtype, shape_of_message(info.message("tensor_shape"))))
    outputs = {name: _edge(name, info, path) for name, info in _dense(message.entries("outputs"))}
    if not outputs:
        raise InvalidModelError("the signature has no outputs", file=path)
    return Signature(inputs, outputs)


def _dense(entries: Mapping[str, Message]) -> Iterator[tuple[str, Message]]:
    """The tensors of a signature by name; a sparse or ragged one is several, called by what they are of it."""
    pending = sorted(entries.items(), reverse=True)
    while pending:
        name, info = pending.pop()
        sparse, parts = info.message("coo_sparse"), info.message("composite_tensor")
        if sparse is not None:
            for part, dtype in (("values", info.integer("dtype")), ("indices", _INT64), ("dense_shape", _INT64)):
                edge = sparse.text(f"{part}_tensor_name")
                yield f"{name}/{part}", Message("TensorInfo", {"name": [edge], "dtype": [dtype]})
        elif parts is not None:
            found = [(f"{name}/{place}", each) for place, each in enumerate(parts.messages("components"))]
            pending += reversed(found)
        else:
            yield name, info


def _edge(name: str, info: Message, path: str) -> Edge:
    if not info.has("name"):
        raise UnsupportedError(f"{name!r} of the signature is no dense tensor", file=path)
    edge = parse_edge(info.text("name"))
    if edge is None:
        raise InvalidModelError(f"{name!r} of the signature names no result: {info.text('name')[:80]!r}", file=path)
    return edge


def _checkpoint(path: str, trust_links: bool) -> Checkpoint | None:
    """The checkpoint of a SavedModel, where it has variables."""
    return _beside(os.path.dirname(path), ("variables/variables.index",), trust_links)


def _beside(folder: str, names: Sequence[str], trust_links: bool) -> Checkpoint | None:
    """The checkpoint that is the first of these files in the folder, or None."""
    for name in names:
        if os.path.lexists(os.path.join(folder, name)):
            return open_checkpoint(open_beneath(folder, name, trust_links=trust_links), trust_links=trust_links)
    return None


def _variables(graph: Message, nodes: TfGraph, outputs: Sequence[Edge], checkpoint: Checkpoint | None) -> Variables:
    saver = graph.message("saver_def")
    operation = "" if saver is None else saver.text("restore_op_name")
    stored = restored(nodes, operation) if operation else {}
    trainable: dict[str, bool] = {}
    for variable in _objects(graph):
        name = variable.text("name")
        trainable[name] = trainable.get(name, False) or variable.flag("trainable")
    return Variables(checkpoint, stored, trainable, written(nodes, [edge.node for edge in outputs]))


def _objects(graph: Message) -> Iterator[Message]:
    """What the object graph of TensorFlow 2 tells of variables."""
    objects = graph.message("object_graph_def")
    for each in () if objects is None else objects.messages("nodes"):
        variable = each.message("variable")
        if variable is not None:
            yield variable
