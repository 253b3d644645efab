"""Telling the fork that wrote a binary file, from what only one fork's numbers explain.

Over sixty field numbers of the parameter messages mean different things in different forks, and a file does not say
which fork wrote it. The evidence: numbers that a fork does not have, wire types and enumeration values that do not fit,
parameters that do not belong to their layer's type. Layers that hold no doubtful number need no evidence. BVLC's
reading is taken where nothing speaks against it; where forks explain a file equally well and read it differently, the
choice is reported as open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from xir.errors import FormatError, InvalidModelError
from xir.frontends.caffe.decode import Decoder, Finding
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.schema import DIALECTS, Dialect, Field, Schema
from xir.frontends.caffe.wire import LENGTH, Wire

CANDIDATES: tuple[Dialect, ...] = tuple(dialect for dialect in DIALECTS if dialect != "deployed")
"""The forks whose numbers are known."""

_LAYERS = frozenset(("layer", "layers"))
_EVIDENCE_PER_KIND = 4
"""Layers of one type and one set of doubtful fields that are read with every dialect: more would say the same."""

_MAX_SAMPLES = 400
"""Samples that are read with every dialect, over all types."""

_EVIDENCE_RECORDS = 400_000
"""Fields that are read for evidence, over all samples and dialects."""

_MALFORMED = 100
"""What a layer that cannot be read at all counts for, against 1 for a single finding."""

_RECURRENT = ("lstm", "rnn", "recurrent")


@dataclass(frozen=True, slots=True)
class Choice:
    """The dialect of a binary file.

    Attributes:
        dialect: the one to read with.
        message: the whole NetParameter in that reading.
        findings: what even that dialect does not explain.
        rivals: other dialects that explain the file as well and read it differently; empty where the choice is sure.
    """

    dialect: Dialect
    message: Message
    findings: tuple[Finding, ...]
    rivals: tuple[Dialect, ...] = ()


def read_binary_net(wire: Wire, schema: Schema, dialect: Dialect | None = None) -> Choice:
    """The NetParameter that fills the whole file, by `dialect` or by the dialect that the evidence names.

    Raises:
        FormatError: the bytes are no NetParameter.
        InvalidModelError: a blob contradicts itself.
        UnsafeError: there are too many fields.
    """
    first, samples = _decode(wire, schema, dialect or CANDIDATES[0])
    if dialect is not None or not samples:
        return first
    chosen, rivals = _weigh(wire, schema, samples)
    if chosen != first.dialect:
        del first  # two readings of one large net need not be held at once
        first, _ = _decode(wire, schema, chosen)
    return replace(first, rivals=rivals)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Bytes whose reading depends on the dialect: one layer, or the net without its layers."""

    type: str
    start: int
    end: int


def _decode(wire: Wire, schema: Schema, dialect: Dialect) -> tuple[Choice, tuple[_Sample, ...]]:
    """The whole net in one dialect, and the samples that other dialects may read differently."""
    decoder = Decoder(wire.again(), schema, dialect)
    shell = decoder.message("NetParameter", 0, wire.size, skip=_LAYERS)
    samples = [_Sample("NetParameter", 0, wire.size)] if decoder.doubtful else []
    layers: dict[str, list[Message]] = {"layer": [], "layers": []}
    counts: dict[tuple[str, frozenset[tuple[str, int]]], int] = {}
    position = 0
    while position < wire.size:
        number, kind, start, position = decoder.wire.record(position, wire.size)
        field = schema.numbered("NetParameter", number, dialect)
        if field is None or field.name not in _LAYERS or kind != LENGTH:
            continue
        decoder.doubtful.clear()
        layer = decoder.message(field.type, start, position)
        layers[field.name].append(layer)
        if decoder.doubtful:
            key = (_kind(layer), frozenset(decoder.doubtful))
            counts[key] = counts.get(key, 0) + 1
            if counts[key] <= _EVIDENCE_PER_KIND and len(samples) < _MAX_SAMPLES:
                samples.append(_Sample(field.type, start, position))
    choice = Choice(dialect, shell.edited(layers), tuple(decoder.findings))
    return choice, tuple(samples)


def _kind(layer: Message) -> str:
    """The layer's type without marking it as read."""
    values = layer.peek("type")
    return str(values[0]) if values else ""


def _weigh(wire: Wire, schema: Schema, samples: tuple[_Sample, ...]) -> tuple[Dialect, tuple[Dialect, ...]]:
    """The dialect that leaves least unexplained, and its rivals."""
    readings: dict[Dialect, tuple[int, list[Message]]] = {}
    shared = wire.again(_EVIDENCE_RECORDS)
    for dialect in CANDIDATES:
        readings[dialect] = _reading(shared, schema, dialect, samples)
    best = min(score for score, _ in readings.values())
    tied: list[Dialect] = [dialect for dialect in CANDIDATES if readings[dialect][0] == best]
    chosen = tied[0]
    if chosen == CANDIDATES[0]:
        return chosen, ()
    mine = readings[chosen][1]
    return chosen, tuple(dialect for dialect in tied[1:] if not _same(mine, readings[dialect][1]))


def _same(first: list[Message], second: list[Message]) -> bool:
    return len(first) == len(second) and all(a.same(b) for a, b in zip(first, second, strict=True))


def _reading(wire: Wire, schema: Schema, dialect: Dialect, samples: tuple[_Sample, ...]) -> tuple[int, list[Message]]:
    """How much of the samples `dialect` leaves unexplained, and what it reads."""
    decoder = Decoder(wire, schema, dialect)
    score, messages = 0, list[Message]()
    for sample in samples:
        decoder.restart()
        skip = _LAYERS if sample.type == "NetParameter" else frozenset[str]()
        try:
            message = decoder.message(sample.type, sample.start, sample.end, skip=skip)
        except (FormatError, InvalidModelError):
            score += _MALFORMED
            continue
        messages.append(message)
        score += len(decoder.findings) + _strangers(schema, dialect, message)
    return score, messages


def _strangers(schema: Schema, dialect: Dialect, layer: Message) -> int:
    """How many parameter messages at doubtful numbers do not belong to the layer's type, judged by their names."""
    if layer.type != "LayerParameter":
        return 0
    kind = _kind(layer).lower()
    strange = 0
    for name in layer.fields():
        field = schema.field("LayerParameter", name)
        if field is None or not name.endswith("_param"):
            continue
        numbers = [one.number for one in schema.fields if _is(one, name, dialect)]
        if any(("LayerParameter", number) in schema.ambiguous for number in numbers):
            strange += not _belongs(name.removesuffix("_param").replace("_", ""), kind)
    return strange


def _is(field: Field, name: str, dialect: Dialect) -> bool:
    return field.message == "LayerParameter" and field.name == name and dialect in field.dialects


def _belongs(stem: str, kind: str) -> bool:
    if stem == "recurrent":
        return any(word in kind for word in _RECURRENT)
    return stem in kind or (bool(kind) and kind in stem)
