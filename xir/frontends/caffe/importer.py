"""From a net to a graph: layers in order, each by its handler; everything that cannot be taken is told at once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from xir.errors import InvalidModelError, Location, Problem, UnsupportedError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.inputs import (
    check_overrides,
    data_inputs,
    declared_inputs,
    example_type,
    missing_input,
)
from xir.frontends.caffe.kinds import DATA, LOSS, METRIC, SINK
from xir.frontends.caffe.net import Layer, Net, Phase, shared_parameters
from xir.frontends.caffe.site import Handler, Site, Weights
from xir.ir.builder import sourced
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import Type

Losses = Literal["drop", "keep"]


@dataclass(frozen=True, slots=True)
class Imported:
    """A graph, and what a person should know of how it came about."""

    graph: Graph
    notes: tuple[str, ...]


@dataclass(slots=True)
class Blobs:
    """The blobs of a net while it is walked: who holds which value now, and who read it.

    Attributes:
        current: {blob name: its value after the layers so far}.
        unread: blob names that nobody has read since they were made, in order (Caffe's available blobs).
        labels: names of blobs that come from labels alone.
        poisoned: blobs that a refused layer would have made.
    """

    current: dict[str, Value] = field(default_factory=dict[str, Value])
    unread: dict[str, None] = field(default_factory=dict[str, None])
    labels: set[str] = field(default_factory=set[str])
    poisoned: set[str] = field(default_factory=set[str])
    names: dict[Value, str] = field(default_factory=dict[Value, str])


@dataclass(slots=True)
class Importer:
    """One import of one net in one phase.

    Attributes:
        net: the net, filtered to its phase.
        handlers: layer type -> handler.
        phase: the phase.
        losses: whether loss and metric layers are dropped or kept.
        overrides: types of inputs as the person gave them.
        nearby: prototxts near the file, for the error about missing shapes.
        seed: the seed of made-up weights.
    """

    net: Net
    handlers: Handlers[Handler]
    phase: Phase = "TEST"
    losses: Losses = "drop"
    overrides: Mapping[str, Type] = field(default_factory=dict[str, Type])
    nearby: Sequence[str] = ()
    seed: int = 0
    notes: list[str] = field(default_factory=list[str])
    inputs: dict[str, Value] = field(default_factory=dict[str, Value])
    blobs: Blobs = field(default_factory=Blobs)
    problems: dict[tuple[str, str, str | None], list[str]] = field(
        default_factory=dict[tuple[str, str, "str | None"], list[str]]
    )
    weights: Weights = field(init=False)
    read_later: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        """Finds the shared weights, and which layers read which blobs last."""
        self.weights = Weights(shared_parameters(self.net), self.seed)
        self.weights.taken.update(top for layer in self.net.layers for top in layer.tops)
        for index, layer in enumerate(self.net.layers):
            if not self._dropped(layer):
                self.read_later.update(dict.fromkeys(layer.bottoms, index))

    def run(self) -> Imported:
        """The whole net as a graph.

        Raises:
            UnsupportedError: with every layer that cannot be taken.
            InvalidModelError: if the net contradicts itself.
        """
        for name in self.net.inputs:
            self._add_input(name, self.overrides.get(name), Location(self.net.file), None)
        for index, layer in enumerate(self.net.layers):
            with sourced(self._source(layer, index)):
                self._take(layer, index)
        self._report_problems()
        check_overrides(self.overrides, set(self.inputs), list(self.inputs))
        return Imported(self._graph(), tuple(self._all_notes()))

    def _take(self, layer: Layer, index: int) -> None:
        if self._dropped(layer):
            self._drop(layer)
        elif layer.kind == "Input":
            layer.parameters.ignore("input_param")
            types = declared_inputs(layer)
            self._add_inputs(layer, index, types)
        elif layer.kind in DATA or (layer.kind == "Python" and not layer.bottoms):
            self._add_inputs(layer, index, data_inputs(layer, self.net))
        else:
            self._apply(layer, index)

    def _dropped(self, layer: Layer) -> bool:
        return layer.kind in SINK or (self.losses == "drop" and layer.kind in LOSS | METRIC)

    def _drop(self, layer: Layer) -> None:
        for bottom in layer.bottoms:
            self._bottom(layer, bottom)
            if layer.kind in SINK:
                self.blobs.unread.pop(bottom, None)
        if layer.kind not in SINK:
            self.notes.append(f"layer {layer.name!r} ({layer.kind}) is only for training: dropped")
        elif layer.kind != "Silence":
            self.notes.append(f"layer {layer.name!r} ({layer.kind}) writes files: dropped")

    def _add_inputs(self, layer: Layer, index: int, types: Mapping[str, Type]) -> None:
        for position, top in enumerate(layer.tops):
            chosen = self.overrides.get(top, types.get(top))
            is_label = position > 0 and layer.kind != "Input"
            if layer.kind != "Input" and self.read_later.get(top, -1) < index:
                continue
            self._add_input(top, chosen, layer.location, layer)
            if is_label:
                self.blobs.labels.add(top)

    def _add_input(self, name: str, type: Type | None, where: Location, layer: Layer | None) -> None:
        if type is None:
            label = layer.name if layer is not None else ""
            raise missing_input(name, label, example_type(None), self.nearby).located(where)
        if name in self.inputs:
            raise InvalidModelError(f"two layers make the input {name!r}")
        value = Value(type)
        self.inputs[name] = value
        self.blobs.current[name] = value
        self.blobs.names[value] = name
        self.blobs.unread[name] = None

    def _bottom(self, layer: Layer, name: str) -> Value | None:
        if name in self.blobs.poisoned:
            return None
        value = self.blobs.current.get(name)
        if value is not None:
            return value
        if self._dropped(layer):
            return None
        later = next((other.name for other in self.net.layers if name in other.tops), None)
        close = difflib.get_close_matches(name, list(self.blobs.current), 1)
        raise InvalidModelError(
            f"bottom {name!r} is not made by any layer before"
            + (f"; layer {later!r} makes it, but only later or in the same place" if later else ""),
            number=509,
            hint=f"did you mean {close[0]!r}?" if close else "look at the names of bottoms and tops",
        )

    def _apply(self, layer: Layer, index: int) -> None:
        bottoms = [self._bottom(layer, bottom) for bottom in layer.bottoms]
        handler = self.handlers.get(layer.kind)
        made: Sequence[Value] | None = None
        if handler is None:
            close = difflib.get_close_matches(layer.kind, list(self.handlers.kinds()), 1)
            hint = "add a handler with --plugin MODULE" + (f"; did you mean {close[0]!r}?" if close else "")
            self._problem(layer, "this layer type is not known", hint)
        elif all(bottom is not None for bottom in bottoms):
            made = self._call(handler, layer, index, [bottom for bottom in bottoms if bottom is not None])
        if made is None:
            self.blobs.poisoned.update(layer.tops)
            return
        self._hand_on(layer, made)

    def _call(self, handler: Handler, layer: Layer, index: int, bottoms: list[Value]) -> Sequence[Value] | None:
        _check_arity(handler, len(bottoms))
        site = Site(layer, index, self.phase, self.weights, self.notes, self.overrides)
        try:
            result = handler(site, *bottoms)
        except UnsupportedError as error:
            self._problem(layer, error.message, error.hint)
            return None
        made = [result] if isinstance(result, Value) else list(result)
        # A filler that nobody asked for has no meaning: the weight came from the file, or there is none.
        unread = [path for path in layer.unread() if "filler" not in path]
        if unread:
            self._problem(layer, f"these parameters are not understood: {', '.join(unread)}", None)
            return None
        if len(made) < len(layer.tops):
            raise InvalidModelError(f"the layer has {len(layer.tops)} tops, its type makes {len(made)}")
        return made

    def _hand_on(self, layer: Layer, made: Sequence[Value]) -> None:
        blobs = self.blobs
        from_labels = bool(layer.bottoms) and all(bottom in blobs.labels for bottom in layer.bottoms)
        for bottom in layer.bottoms:
            blobs.unread.pop(bottom, None)
        for top, value in zip(layer.tops, made, strict=False):
            blobs.poisoned.discard(top)
            blobs.current[top] = value
            blobs.unread.pop(top, None)
            blobs.unread[top] = None
            if from_labels:
                blobs.labels.add(top)
            else:
                blobs.labels.discard(top)

    def _problem(self, layer: Layer, reason: str, hint: str | None) -> None:
        self.problems.setdefault((layer.kind, reason, hint), []).append(layer.name)

    def _report_problems(self) -> None:
        if not self.problems:
            return
        problems = tuple(
            Problem(kind, tuple(names), reason, hint) for (kind, reason, hint), names in self.problems.items()
        )
        count = sum(len(problem.layers) for problem in problems)
        raise UnsupportedError(
            f"{count} of {len(self.net.layers)} layers are not supported",
            problems=problems,
            file=self.net.file,
        )

    def _graph(self) -> Graph:
        blobs = self.blobs
        outputs = [
            name for name in blobs.unread if name not in blobs.labels and blobs.current[name].node is not None
        ]
        if not outputs:
            raise InvalidModelError(
                "nothing is left to compute: every layer is dropped, or the net is empty",
                file=self.net.file,
                hint="is this a solver, or a net of another phase? try --phase train",
            )
        names = {**self.weights.names, **blobs.names}
        taken = set(names.values())
        for name, value in blobs.current.items():
            if value not in names and name not in taken:
                names[value] = name
                taken.add(name)
        graph = Graph(
            self.net.name or PurePath(self.net.file or "net").stem,
            tuple(self.inputs.values()),
            tuple(blobs.current[name] for name in outputs),
            tuple(outputs),
            tuple(self.weights.parameters),
            names,
        )
        return graph

    def _all_notes(self) -> list[str]:
        filled = self.weights.filled
        if not filled:
            return [*self.net.notes, *self.notes]
        text = f"no weights in the file for {len(filled)} layers ({', '.join(filled[:5])}{', ...' if filled[5:] else ''})"
        return [*self.net.notes, *self.notes, f"{text}: made up by their fillers with seed {self.seed}"]

    def _source(self, layer: Layer, index: int) -> Source:
        file = PurePath(layer.file or self.net.file or "").name
        place = f"line {layer.line}" if layer.line is not None else None
        return Source("caffe", file, layer.name, layer.kind, (), place, index)


def _check_arity(handler: Handler, bottoms: int) -> None:
    try:
        inspect.signature(handler).bind(None, *[None] * bottoms)
    except TypeError:
        names = [name for name in inspect.signature(handler).parameters][1:]
        raise InvalidModelError(f"the layer has {bottoms} bottoms; its type takes {', '.join(names)}") from None
