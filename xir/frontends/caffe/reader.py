"""Caffe's files become a `Document`: a net in today's form with its weights attached, and what was found on the way.

`read` takes a prototxt (text or binary), a caffemodel or an HDF5 snapshot, and finds the prototxt that belongs to
weights. Structure comes from the prototxt, weights from the caffemodel by layer name, as Caffe does it
(net.cpp, Net::CopyTrainedLayersFrom); a caffemodel without a prototxt gives the training net that it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from xir.errors import FormatError, InvalidModelError, UsageError
from xir.files import MappedFile, PathLike, open_mapped
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.companion import Companion, Why, find_prototxt
from xir.frontends.caffe.decode import Finding
from xir.frontends.caffe.dialects import Choice, read_binary_net
from xir.frontends.caffe.hdf5 import read_snapshot
from xir.frontends.caffe.legacy import upgrade
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.net import Layer, Net, NetState, duplicates, make_layer, make_state
from xir.frontends.caffe.prototext import UnknownFieldError, parse_text
from xir.frontends.caffe.schema import Dialect, Schema, load_schema
from xir.frontends.caffe.sniff import Kind, sniff
from xir.frontends.caffe.weights import scan_blob
from xir.frontends.caffe.wire import Wire
from xir.limits import MEBI, check_size

MAX_PROTOTXT_BYTES = 32 * MEBI
"""Bytes of one prototxt; 20,000 layers take about 10 MB."""

_OTHER_TEXTS: Mapping[str, tuple[str, str]] = {
    "SolverParameter": ("a solver's settings", "give the net's own prototxt"),
    "MultiPhaseSolverParameter": ("the settings of several solvers", "give the net's own prototxt"),
    "LabelMap": ("a label map", "give the net's prototxt; labels are not part of the graph"),
    "SolverState": ("a solver's state", "give the .caffemodel of the same iteration"),
    "BlobProto": ("a mean or another blob", "give the net's prototxt"),
    "LayerParameter": ("the fields of one layer", "put them into `layer { ... }`"),
}
"""Messages that people give instead of a net, in the order in which they are recognised."""

_WHY: Mapping[Why, str] = {
    "same stem": "of the same name",
    "deploy.prototxt": "which lies beside it",
    "none": "as you say",
}
"""Why a prototxt was chosen, in words."""

_DAMAGE = frozenset(("missing field", "repeated field"))


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The weights of one file, by layer name.

    Attributes:
        file: the path.
        layers: layer name -> its blobs by number; a number may be missing where another layer owns the blob (HDF5).
        notes: what was noticed, in words.
        names: all layer names in the file, also of layers without weights.
        partial: the file leaves out weights that another layer owns (HDF5).
    """

    file: str
    layers: Mapping[str, Mapping[int, Blob]]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What was read.

    Attributes:
        net: the net, not filtered by phase, its layers holding their weights.
        prototxt: the file that the structure comes from where it is not the caffemodel itself, or None.
        weights: the file that the weights come from, or None.
        companion: how the prototxt was found, where it was looked for; its `candidates` serve an error's hint.
        unused: names of layers whose weights the file brings but the net does not have.
        absent: names of the net's layers that the weights' file does not know at all.
        findings: what a binary file holds and its dialect does not explain; empty where structure comes from text.
        rivals: other dialects that explain a binary net as well as `net.dialect` and read it differently.
        notes: everything a person should know, in words.
    """

    net: Net
    prototxt: str | None = None
    weights: str | None = None
    companion: Companion | None = None
    unused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    rivals: tuple[Dialect, ...] = ()
    notes: tuple[str, ...] = ()


def recognize(path: PathLike, *, schema: Schema | None = None) -> Kind | None:
    """What kind of Caffe file the path may be, from its content; None where it is none of them.

    `text` only says that it is text which could be a prototxt.

    Raises:
        FileError: the file cannot be opened.
    """
    file = open_mapped(path)
    try:
        return sniff(file, schema or load_schema())
    except FormatError:
        return None


def read(
    path: PathLike,
    prototxt: PathLike | None = None,
    *,
    dialect: Dialect | None = None,
    companion: bool = True,
    schema: Schema | None = None,
) -> Document:
    """Reads a net, with its weights where there are some.

    Args:
        path: a prototxt (text or binary), a caffemodel of any generation, or an HDF5 snapshot.
        prototxt: the net's description, for weights; without it one is looked for (`find_prototxt`).
        dialect: the fork whose field numbers binary files use; without it the file's own evidence decides.
        companion: whether to look for a prototxt beside the weights.
        schema: the schema with a user's own fields (`Schema.extended`).

    Raises:
        FormatError: a file is not what it should be; the error says what it is and what to give instead.
        InvalidModelError: a file contradicts itself.
        UnsafeError: a file asks for more than the limits allow.
        MissingExtraError: an HDF5 file, and h5py is not installed.
        FileError: a file cannot be opened.
        UsageError: `prototxt` is given together with a file that is itself a prototxt.
    """
    table = schema or load_schema()
    file = open_mapped(path)
    kind = _require_model(file, sniff(file, table))
    if kind == "text":
        if prototxt is not None:
            raise UsageError(
                f"{file.path} is a prototxt itself, and --prototxt names another",
                hint="give the caffemodel as the model, or leave --prototxt out",
            )
        net = _text_net(file, table)
        return Document(net, prototxt=file.path, notes=net.notes)
    found = find_prototxt(path) if prototxt is None and companion else None
    description = prototxt if prototxt is not None else (found.path if found else None)
    if description is None:
        return _alone(file, kind, table, dialect, found)
    return _joined(description, file, kind, table, dialect, found)


def read_net(path: PathLike, *, dialect: Dialect | None = None, schema: Schema | None = None) -> Net:
    """The net of a prototxt, text or binary, without any companion; weights that it holds itself are attached.

    Raises:
        FormatError, InvalidModelError, UnsafeError, FileError: as `read`.
    """
    return read(path, dialect=dialect, companion=False, schema=schema).net


def net_from_text(text: str, *, file: str | None = None, schema: Schema | None = None) -> Net:
    """The net that a prototxt's text describes, upgraded to today's form.

    Raises:
        FormatError: the text is no net; the error names line and column.
        InvalidModelError: the net contradicts itself.
        UnsafeError: it asks for more than the limits allow.
    """
    table = schema or load_schema()
    try:
        message = parse_text(text, "NetParameter", file=file, schema=table)
    except UnknownFieldError as error:
        if error.message_type == "NetParameter":
            _explain_other_text(text, error, table, file)
        raise
    return _net(message, file, None)


def read_weights(path: PathLike, *, schema: Schema | None = None) -> Weights:
    """Only the weights of a caffemodel or an HDF5 snapshot, by layer name.

    Raises:
        FormatError, InvalidModelError, UnsafeError, MissingExtraError, FileError: as `read`.
    """
    table = schema or load_schema()
    file = open_mapped(path)
    kind = _require_model(file, sniff(file, table))
    if kind == "text":
        raise FormatError("the file is text, not weights", file=file.path, hint="give a .caffemodel file")
    return _weights(file, kind, table)


def read_mean(path: PathLike, *, schema: Schema | None = None) -> Blob:
    """The mean picture of a `.binaryproto` file (a single BlobProto), its elements still in the file.

    Raises:
        FormatError: the file is something else.
        InvalidModelError: the shape and the elements do not belong together.
        UnsafeError, FileError: as `read`.
    """
    file = open_mapped(path)
    kind = sniff(file, schema or load_schema())
    if kind != "blob":
        names = {"text": "text", "net": "a net", "solverstate": "a solver's state", "hdf5": "an HDF5 file"}
        raise FormatError(
            f"the file is {names[kind]}, not a mean",
            file=file.path,
            hint="give the .binaryproto that Caffe's compute_image_mean wrote",
        )
    return scan_blob(Wire(file), 0, file.size)[0]


# --- text ----------------------------------------------------------------------------------------------------------


def _text_net(file: MappedFile, schema: Schema) -> Net:
    check_size(file.size, MAX_PROTOTXT_BYTES, what="the prototxt", file=file.path)
    text = file.whole().read().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return net_from_text(text, file=file.path, schema=schema)


def _explain_other_text(text: str, error: UnknownFieldError, schema: Schema, file: str | None) -> None:
    """Raises a better error where the text is another of Caffe's messages; returns where it is not."""
    for message, (what, hint) in _OTHER_TEXTS.items():
        if schema.field(message, error.field_name) is None:
            continue
        try:
            other = parse_text(text, message, file=file, schema=schema)
        except (FormatError, InvalidModelError):
            continue
        nets = [str(name) for field in ("net", "train_net", "test_net") for name in _peek(other, field)]
        where = f"; its net is in {' and '.join(repr(name) for name in nets)}" if nets else ""
        raise FormatError(
            f"the file is {what}, not a net{where}", file=file, hint=f"give {nets[0]!r} instead" if nets else hint
        ) from error


def _peek(message: Message, name: str) -> tuple[object, ...]:
    return message.peek(name) if message.schema.field(message.type, name) is not None else ()


# --- nets ----------------------------------------------------------------------------------------------------------


def _net(message: Message, file: str | None, dialect: Dialect | None) -> Net:
    upgraded = upgrade(message, file=file)
    whole = upgraded.message
    layers = tuple(make_layer(layer, file=file, weights_file=file) for layer in whole.messages("layer"))
    if not layers:
        raise FormatError("the net holds no layers", file=file, hint="give the file with the `layer { ... }` blocks")
    state = whole.optional_message("state")
    return Net(
        name=whole.text("name"),
        layers=layers,
        state=make_state(state) if state is not None else NetState(),
        parameters=whole.edited({}, drop=("layer", "name", "state")),
        generation=upgraded.generation,
        inputs=upgraded.inputs,
        dialect=dialect,
        file=file,
        notes=upgraded.notes,
    )


def _binary_net(file: MappedFile, schema: Schema, dialect: Dialect | None) -> tuple[Net, Choice]:
    choice = read_binary_net(Wire(file), schema, dialect)
    for finding in choice.findings:
        if finding.reason in _DAMAGE:
            raise FormatError(str(finding), file=file.path, hint="the file is damaged: fetch it again")
    net = _net(choice.message, file.path, choice.dialect)
    file.check()
    return net, choice


def _require_model(file: MappedFile, kind: Kind) -> Kind:
    if kind == "blob":
        raise FormatError(
            "the file is a mean (a single blob), not a net or its weights",
            file=file.path,
            hint="give the caffemodel or prototxt; a mean belongs to the preprocessing",
        )
    if kind == "solverstate":
        raise FormatError(
            "the file is a solver's state, not weights",
            file=file.path,
            hint="give the .caffemodel of the same iteration, which stands beside it",
        )
    return kind


def _alone(
    file: MappedFile, kind: Kind, schema: Schema, dialect: Dialect | None, companion: Companion | None
) -> Document:
    """A caffemodel without a prototxt: the training net that it holds."""
    if kind == "hdf5":
        read_snapshot(file)
        near = ", ".join(companion.candidates[:5]) if companion else ""
        raise FormatError(
            "an HDF5 snapshot holds only weights, and no prototxt of the same name stands beside it",
            file=file.path,
            hint=f"add --prototxt FILE{f' (near: {near})' if near else ''}",
        )
    net, choice = _binary_net(file, schema, dialect)
    holds = any(layer.blobs for layer in net.layers)
    if choice.rivals:
        names = ", ".join((choice.dialect, *choice.rivals))
        raise FormatError(
            f"the file does not tell which fork of Caffe wrote it: {names} read its parameters differently",
            file=file.path,
            hint="give the net's prototxt (--prototxt FILE), which has no such doubt",
        )
    notes = (*net.notes, *_binary_notes(net, choice.findings))
    return Document(
        net,
        prototxt=None if holds else file.path,
        weights=file.path if holds else None,
        companion=companion,
        findings=choice.findings,
        rivals=choice.rivals,
        notes=notes,
    )


def _binary_notes(net: Net, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    notes = [str(finding) for finding in findings]
    if net.dialect != "bvlc":
        notes.append(f"field numbers are read as in the fork {net.dialect}")
    if any(blob.gradient for layer in net.layers for blob in layer.blobs):
        notes.append("the file also holds gradients, which are not read")
    return tuple(notes)


# --- structure and weights -----------------------------------------------------------------------------------------


def _joined(
    prototxt: PathLike,
    file: MappedFile,
    kind: Kind,
    schema: Schema,
    dialect: Dialect | None,
    companion: Companion | None,
) -> Document:
    text = open_mapped(prototxt)
    text_kind = _require_model(text, sniff(text, schema))
    if text_kind == "hdf5":
        raise FormatError("the file is an HDF5 file, not a prototxt", file=text.path, hint="give the net's prototxt")
    net = _text_net(text, schema) if text_kind == "text" else _binary_net(text, schema, dialect)[0]
    weights = _weights(file, kind, schema)
    joined, unused, absent = attach(net, weights)
    notes = [*net.notes, *weights.notes]
    if companion is not None and companion.path is not None:
        notes.append(f"{companion.path}, {_WHY[companion.why]}, is used for the structure")
    return Document(
        joined,
        prototxt=text.path,
        weights=file.path,
        companion=companion,
        unused=unused,
        absent=absent,
        notes=tuple(notes),
    )


def _weights(file: MappedFile, kind: Kind, schema: Schema) -> Weights:
    if kind == "hdf5":
        snapshot = read_snapshot(file)
        return Weights(file.path, snapshot.layers, names=tuple(snapshot.layers), partial=True)
    net, _ = _binary_net(file, schema, None)
    held: dict[str, Mapping[int, Blob]] = {}
    for layer in net.layers:
        if layer.blobs:
            held[layer.name] = dict(enumerate(layer.blobs))
    notes = [f"{name!r} stands more than once in {file.path}; the last one counts" for name in duplicates(net)]
    if any(blob.gradient for layer in net.layers for blob in layer.blobs):
        notes.append("the weights' file also holds gradients, which are not read")
    return Weights(file.path, held, tuple(notes), tuple(layer.name for layer in net.layers))


def attach(net: Net, weights: Weights) -> tuple[Net, tuple[str, ...], tuple[str, ...]]:
    """The net with the weights of another file, by layer name, and the names of both sides that do not meet.

    Layers that the file knows lose what weights they had. Layers of one name in different phases get the same weights.
    A layer that the file has no weights for takes those of the layers that share the names of all its weights: Caffe
    copies into the one blob that they have together (net.cpp, CopyTrainedLayersFrom and ShareWeights). A number that an
    HDF5 snapshot leaves out is taken from the layer that shares its name (net.cpp, CopyTrainedLayersFromHDF5).

    Returns:
        The net; names with weights that the net does not have; names of the net that the file does not have.

    Raises:
        InvalidModelError: a weight is left out and nobody shares it.
    """
    known = set(weights.names) | set(weights.layers)
    owned = _blobs_by_parameter(net, weights)
    layers = tuple(
        _with_blobs(layer, weights, net) if layer.name in weights.layers else _with_lent_blobs(layer, weights, owned)
        for layer in net.layers
    )
    names = {layer.name for layer in net.layers}
    unused = tuple(name for name, blobs in weights.layers.items() if name not in names and blobs)
    absent = tuple(dict.fromkeys(layer.name for layer in net.layers if layer.name not in known))
    return replace(net, layers=layers), unused, absent


def _with_blobs(layer: Layer, weights: Weights, net: Net) -> Layer:
    mine = weights.layers[layer.name]
    count = max(max(mine, default=-1) + 1, _named_specs(layer) if weights.partial else 0)
    blobs = tuple(mine[index] if index in mine else _shared(layer, index, weights, net) for index in range(count))
    return replace(layer, blobs=blobs, weights_file=weights.file if blobs else None)


def _blobs_by_parameter(net: Net, weights: Weights) -> Mapping[str, tuple[Blob, int]]:
    """{parameter name: the blob that the file has for it, how many blobs its layer has}."""
    found: dict[str, tuple[Blob, int]] = {}
    for layer in net.layers:
        held = weights.layers.get(layer.name, {})
        for position, spec in enumerate(layer.specs):
            if spec.name and position in held:
                found.setdefault(spec.name, (held[position], len(held)))
    return found


def _with_lent_blobs(layer: Layer, weights: Weights, owned: Mapping[str, tuple[Blob, int]]) -> Layer:
    """The layer with the blobs of those that share its parameters' names, if these are all that it has."""
    lent = [owned[spec.name] for spec in layer.specs if spec.name in owned]
    if layer.blobs or not lent or any(count != len(lent) for _, count in lent) or len(lent) != len(layer.specs):
        return layer
    return replace(layer, blobs=tuple(blob for blob, _ in lent), weights_file=weights.file)


def _named_specs(layer: Layer) -> int:
    return max((index + 1 for index, spec in enumerate(layer.specs) if spec.name), default=0)


def _shared(layer: Layer, index: int, weights: Weights, net: Net) -> Blob:
    """The weight that another layer of the same parameter name owns."""
    name = layer.specs[index].name if index < len(layer.specs) else ""
    for other in net.layers if name else ():
        for position, spec in enumerate(other.specs):
            blob = weights.layers.get(other.name, {}).get(position)
            if spec.name == name and blob is not None:
                return blob
    raise InvalidModelError(
        f"weight {index} is not in {weights.file}, and no other layer shares it",
        file=layer.file,
        layer=layer.name,
        kind=layer.kind,
        hint="the snapshot belongs to another net, or is damaged",
    )
