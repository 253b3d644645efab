"""From a net to a graph: layers in order, each by its handler; everything that cannot be taken is told at once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import PurePath
from typing import Literal

from xir.errors import InvalidModelError, Location, Problem, UnsupportedError, UsageError, XirError
from xir.frontends._handlers import Handlers
from xir.frontends.caffe.blobs import Blobs, finished_names
from xir.frontends.caffe.inputs import check_overrides, data_inputs, declared_inputs, missing_input
from xir.frontends.caffe.kinds import DATA, LOSS, METRIC, REFUSED, SINK, TRAINING, told_dropped
from xir.frontends.caffe.missing import layers_of, some_of
from xir.frontends.caffe.net import Layer, Net, Phase, shared_parameters
from xir.frontends.caffe.preprocess import Preprocessing, preprocess, tell_left_out
from xir.frontends.caffe.propose import candidates, fallback
from xir.frontends.caffe.site import Handler, Site, Weights
from xir.frontends.partial import PartlyReadError
from xir.ir.builder import sourced
from xir.ir.constant import Constant
from xir.ir.constraints import Collected, collecting
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.source import Source
from xir.ir.types import TensorType, Type
from xir.ir.walk import toposort

Losses = Literal["drop", "keep"]


@dataclass(frozen=True, slots=True)
class Imported:
    """A graph, and what a person should know of how it came about.

    Attributes:
        graph: the graph.
        notes: in words.
        filled: {name of a weight of the graph that a filler made up: its layer}.
    """

    graph: Graph
    notes: tuple[str, ...]
    filled: Mapping[str, str]


@dataclass(slots=True)
class Importer:
    """One import of one net in one phase.

    Attributes:
        net: the net, filtered to its phase.
        handlers: layer type -> handler.
        phase: the phase.
        losses: whether loss and metric layers are dropped or kept.
        overrides: types of inputs as the person gave them.
        wanted: names of the values to compute, None for what no layer reads.
        whole: the net before it was filtered: its data layers of other phases tell about inputs that nobody makes.
        preprocessing: what to put in front of the input, None for nothing.
        plugins: {layer type: the plugin that handles it}.
        nearby: prototxts near the file, for the error about missing shapes.
        seed: the seed of made-up weights.
        trust_links: takes companion files that are links.
        trial: this import only tries whether sizes fit.
    """

    net: Net
    handlers: Handlers[Handler]
    phase: Phase = "TEST"
    losses: Losses = "drop"
    overrides: Mapping[str, Type] = field(default_factory=dict[str, Type])
    wanted: Sequence[str] | None = None
    whole: Net | None = None
    preprocessing: Preprocessing | None = None
    plugins: Mapping[str, str] = field(default_factory=dict[str, str])
    nearby: Sequence[str] = ()
    seed: int = 0
    trust_links: bool = False
    trial: bool = False
    notes: list[str] = field(default_factory=list[str])
    inputs: dict[str, Value] = field(default_factory=dict[str, Value])
    blobs: Blobs = field(default_factory=Blobs)
    problems: dict[tuple[str, str, str | None], list[str]] = field(
        default_factory=dict[tuple[str, str, "str | None"], list[str]]
    )
    weights: Weights = field(init=False)
    read_later: dict[str, int] = field(default_factory=dict[str, int])
    batch: Symbol = field(default_factory=lambda: Symbol("N", minimum=1))

    def __post_init__(self) -> None:
        """Finds the shared weights, and which layers read which blobs last."""
        self.net = replace(self.net, layers=tuple(_with_top(layer) for layer in self.net.layers))
        self.weights = Weights(shared_parameters(self.net), self.seed)
        self.weights.taken.update(top for layer in self.net.layers for top in layer.tops)
        self.weights.taken.update(layer.name for layer in self.net.layers)
        for index, layer in enumerate(self.net.layers):
            if not self._dropped(layer):
                self.read_later.update(dict.fromkeys(layer.bottoms, index))

    def run(self) -> Imported:
        """The whole net as a graph.

        Raises:
            UnsupportedError: with every layer that cannot be taken.
            InvalidModelError: if the net contradicts itself.
            UsageError: if a wanted output does not exist.
        """
        with collecting() as assumed:
            for name in self.net.inputs:
                self._add_input(name, self.overrides.get(name), None)
            for index, layer in enumerate(self.net.layers):
                with sourced(self._source(layer, index)):
                    try:
                        self._take(layer, index)
                    except XirError as error:
                        raise error.located(layer.location) from error.__cause__
            self._report_problems(assumed)
        check_overrides(self.overrides, tuple(self.inputs))
        graph = self._graph(assumed)
        live = {parameter.value for parameter in graph.parameters}
        filled = {graph.names[value]: layer for value, layer in self.weights.filled.items() if value in live}
        return Imported(graph, tuple(self._all_notes(filled)), filled)

    def _take(self, layer: Layer, index: int) -> None:
        if self._dropped(layer):
            self._drop(layer)
        elif layer.kind == "Input":
            self._add_inputs(layer, declared_inputs(layer))
        elif layer.kind in DATA or (layer.kind == "Python" and not layer.bottoms):
            self._add_data(layer, index)
        else:
            self._apply(layer, index)

    def _dropped(self, layer: Layer) -> bool:
        if layer.kind in SINK:
            return True
        if self.losses == "keep":
            return False
        python_loss = layer.kind == "Python" and any(layer.loss_weights)
        return python_loss or layer.kind in LOSS or layer.kind in METRIC or layer.kind in TRAINING

    def _drop(self, layer: Layer) -> None:
        for bottom in layer.bottoms:
            self._bottom(layer, bottom)
            if layer.kind in SINK:
                self.blobs.unread.pop(bottom, None)
        if layer.kind not in SINK:
            self.notes.append(told_dropped(layer.name, layer.kind, (one.kind for one in self.net.layers)))
        elif layer.kind != "Silence":
            self.notes.append(f"layer {layer.name!r} ({layer.kind}) writes files: dropped")

    # --- inputs ----------------------------------------------------------------------------------------------------

    def _batch(self, layer: Layer) -> Dim:
        """The batch of a data layer: that of the type which the person gave for its data, else `N`."""
        given = self.overrides.get(layer.tops[0]) if layer.tops else None
        return given.shape[0] if isinstance(given, TensorType) and given.rank else self.batch

    def _add_inputs(self, layer: Layer, types: Mapping[str, TensorType]) -> None:
        for position, top in enumerate(layer.tops):
            first = layer if position == 0 and not self.inputs else None
            self._add_input(top, self.overrides.get(top, types.get(top)), layer, first)

    def _add_data(self, layer: Layer, index: int) -> None:
        """The tops of a data layer that a layer after it reads; those behind the first are labels."""
        types = data_inputs(layer, self.net, self._batch(layer))
        for position, top in enumerate(layer.tops):
            if self.read_later.get(top, -1) < index:
                continue
            self._add_input(top, self.overrides.get(top, types.get(top)), layer, layer if position == 0 else None)
            if position > 0:
                self.blobs.labels.add(top)

    def _add_input(self, name: str, type: Type | None, layer: Layer | None, pictures: Layer | None = None) -> None:
        if type is None:
            where = layer.location if layer is not None else Location(self.net.file)
            raise missing_input(name, "", self._example(name, layer), self.nearby).located(where)
        if name in self.inputs:
            raise InvalidModelError(f"two layers make the input {name!r}")
        value = Value(type)
        self.inputs[name] = value
        self.blobs.names[value] = name
        made = value
        if self.preprocessing is not None and pictures is not None:
            made = self._preprocessed(value, name, pictures, self.preprocessing)
        elif pictures is not None and pictures.kind in DATA:
            tell_left_out(pictures, name, self.notes)
        self.blobs.make(name, made, f"{name}_preprocessed")
        self.blobs.labels.discard(name)

    def _preprocessed(self, value: Value, name: str, layer: Layer, wanted: Preprocessing) -> Value:
        def add(label: str, constant: Constant) -> Value:
            return self.weights.add((-1, len(self.weights.parameters)), label, constant, False)

        source = layer if layer.kind in DATA else wanted.source
        return preprocess(value, name, source, wanted, add, self.notes)

    def _example(self, name: str, layer: Layer | None) -> str:
        """The type to propose for an input: the first common size with which the net's weights agree."""
        net = self.whole or self.net
        if not self.trial:
            for type in candidates(name, net, layer, self.batch):
                if self._fits({**self.overrides, name: type}):
                    return repr(type)
        return fallback(name, net, layer)

    def _fits(self, overrides: Mapping[str, Type]) -> bool:
        """Whether the net can be imported with these inputs; nothing of the trial is kept."""
        trial = Importer(
            self.net, self.handlers, self.phase, self.losses, overrides, whole=self.whole, seed=self.seed, trial=True
        )
        try:
            trial.run()
        except XirError:
            return False
        return True

    def _elsewhere(self, name: str) -> Layer | None:
        """A data layer of another phase or stage that makes the blob."""
        if self.whole is None:
            return None
        return next((layer for layer in self.whole.layers if layer.kind in DATA and name in layer.tops), None)

    # --- layers ----------------------------------------------------------------------------------------------------

    def _bottom(self, layer: Layer, name: str) -> Value | None:
        if name in self.blobs.poisoned:
            return None
        value = self.blobs.current.get(name)
        if value is not None:
            return value
        if self._dropped(layer):
            return None
        maker = self._elsewhere(name)
        if maker is not None:
            return self._borrow(maker, name)
        later = next((other.name for other in self.net.layers if name in other.tops), None)
        if later is None and name in self.overrides:
            self._add_input(name, self.overrides[name], None)
            self.notes.append(f"no layer makes {name!r}: it is an input, as --input says")
            return self.blobs.current[name]
        close = difflib.get_close_matches(name, list(self.blobs.current), 1)
        hint = f"did you mean {close[0]!r}?" if close else "look at the names of bottoms and tops"
        if later is None and not close:
            hint += f"; if it is an input of the net, add --input {name}={self._example(name, None)}"
        raise InvalidModelError(
            f"bottom {name!r} is not made by any layer before"
            + (f"; layer {later!r} makes it, but only later or in the same place" if later else ""),
            number=509,
            hint=hint,
        )

    def _borrow(self, maker: Layer, name: str) -> Value:
        """An input for a blob that a data layer makes only in another phase or stage (a caffemodel's training net)."""
        types = data_inputs(maker, self.whole or self.net, self._batch(maker))
        first = maker.tops[0] == name
        self._add_input(name, self.overrides.get(name, types.get(name)), maker, maker if first else None)
        if not first:
            self.blobs.labels.add(name)
        self.notes.append(f"layer {maker.name!r} ({maker.kind}) of another phase or stage tells the input {name!r}")
        return self.blobs.current[name]

    def _kind(self, layer: Layer) -> str:
        """The type by which a handler is found; a Python layer's is its module and class."""
        if layer.kind != "Python":
            return layer.kind
        param = layer.param("python_param")
        return f"Python:{param.text('module')}.{param.text('layer')}"

    def _apply(self, layer: Layer, index: int) -> None:
        bottoms = [self._bottom(layer, bottom) for bottom in layer.bottoms]
        kind = self._kind(layer)
        handler = self.handlers.get(kind)
        made: Sequence[Value] | None = None
        if handler is None:
            self._refuse(layer, kind)
        elif all(bottom is not None for bottom in bottoms):
            made = self._call(handler, kind, layer, index, [bottom for bottom in bottoms if bottom is not None])
        if made is None:
            self.blobs.poisoned.update(layer.tops)
            return
        self.blobs.hand_on(layer, made)

    def _refuse(self, layer: Layer, kind: str) -> None:
        if not kind:
            self._problem(layer, "the layer has no type", 'give it one, such as type: "Convolution"')
        elif kind in REFUSED:
            self._problem(layer, REFUSED[kind], "drop the layer, or add a handler with --plugin MODULE")
        elif layer.kind == "Python":
            reason = f"the code of the Python layer {kind.removeprefix('Python:')} is not part of the model"
            self._problem(layer, reason, f"add a handler for {kind!r} with --plugin MODULE")
        else:
            known = {name.lower(): name for name in self.handlers.kinds()}
            close = difflib.get_close_matches(kind.lower(), list(known), 1)
            hint = "add a handler with --plugin MODULE" + (f"; did you mean {known[close[0]]!r}?" if close else "")
            names = ", ".join(dict.fromkeys(stranger.name for stranger in layer.parameters.strangers))
            self._problem(layer, "this layer type is not known" + (f", nor is its {names}" if names else ""), hint)

    def _call(
        self, handler: Handler, kind: str, layer: Layer, index: int, bottoms: list[Value]
    ) -> Sequence[Value] | None:
        _check_arity(handler, len(bottoms))
        # A layer that names a phase is computed in it, whatever the net's is (net.cpp, Net::Init).
        site = Site(layer, index, layer.phase or self.phase, self.weights, self.notes, self.trust_links)
        try:
            made = self._made(handler, kind, site, bottoms)
        except UnsupportedError as error:
            self._problem(layer, error.message, error.hint)
            return None
        # A filler that nobody asked for has no meaning: the weight came from the file, or there is none.
        unread = [path for path in layer.unread() if "filler" not in path]
        if unread:
            self._problem(layer, f"these parameters are not understood: {', '.join(unread)}", None)
            return None
        site.check_blobs()
        if len(made) < len(layer.tops):
            raise InvalidModelError(f"the layer has {len(layer.tops)} tops, its type makes {len(made)}")
        return made

    def _made(self, handler: Handler, kind: str, site: Site, bottoms: list[Value]) -> list[Value]:
        plugin = self.plugins.get(kind)
        try:
            result = handler(site, *bottoms)
        except XirError as error:
            if plugin is not None:
                error.message = f"plugin {plugin}: {error.message}"
            raise
        except Exception as error:
            if plugin is None:
                raise
            raise UsageError(
                f"plugin {plugin} failed: {type(error).__name__}: {error}", hint="this is a mistake of the plugin"
            ) from error
        return [result] if isinstance(result, Value) else list(result)

    def _problem(self, layer: Layer, reason: str, hint: str | None) -> None:
        self.problems.setdefault((layer.kind or "(no type)", reason, hint), []).append(layer.name or "(no name)")

    # --- results ---------------------------------------------------------------------------------------------------

    def _report_problems(self, assumed: Collected) -> None:
        if not self.problems:
            return
        problems = tuple(
            Problem(kind, tuple(names), reason, hint) for (kind, reason, hint), names in self.problems.items()
        )
        count = sum(len(problem.layers) for problem in problems)
        raise PartlyReadError(
            f"{count} of {len(self.net.layers)} layers {'is' if count == 1 else 'are'} not supported",
            problems=problems,
            file=self.net.file,
            partial=lambda: self._taken(assumed),
        )

    def _taken(self, assumed: Collected) -> Graph | None:
        """The graph of the layers that were taken: every value that none of them reads is an output."""
        made = [value for value in self.blobs.makers if value.node is not None]
        read = {value for node in toposort(made) for value in node.inputs}
        names = finished_names(self.blobs, self.weights.names)
        ends = [value for value in made if value not in read]
        if not ends:
            return None
        return self._assembled({names.get(value, self.blobs.makers[value]): value for value in ends}, names, assumed)

    def _graph(self, assumed: Collected) -> Graph:
        names = finished_names(self.blobs, self.weights.names)
        return self._assembled(self._outputs(names), names, assumed)

    def _assembled(self, outputs: Mapping[str, Value], names: Mapping[Value, str], assumed: Collected) -> Graph:
        nodes = toposort(outputs.values())
        live = {value for node in nodes for value in (*node.inputs, *node.outputs) if value is not None}
        live.update(self.inputs.values())
        return Graph(
            self.net.name or PurePath(self.net.file or "net").stem,
            tuple(self.inputs.values()),
            tuple(outputs.values()),
            tuple(outputs),
            tuple(parameter for parameter in self.weights.parameters if parameter.value in live),
            {value: name for value, name in names.items() if value in live},
            tuple(assumed),
        )

    def _outputs(self, names: Mapping[Value, str]) -> dict[str, Value]:
        if self.wanted is not None:
            return self._wanted_outputs(names, self.wanted)
        outputs = self.blobs.outputs()
        if not outputs:
            raise InvalidModelError(
                "nothing is left to compute: every layer is dropped, or the net is empty",
                file=self.net.file,
                hint="is this a net of another phase? try --phase train",
            )
        return outputs

    def _wanted_outputs(self, names: Mapping[Value, str], wanted: Sequence[str]) -> dict[str, Value]:
        known = {name: value for value, name in names.items() if value.node is not None} | self.blobs.computed()
        for name in wanted:
            if name not in known:
                close = difflib.get_close_matches(name, list(known), 3)
                hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"some are {list(known)[-5:]}"
                raise UsageError(f"the net computes nothing called {name!r}", hint=hint)
        if not wanted:
            raise UsageError("no output is left", hint="name at least one output")
        return {name: known[name] for name in wanted}

    def _all_notes(self, filled: Mapping[str, str]) -> list[str]:
        layers = list(dict.fromkeys(filled.values()))
        if not layers:
            return [*self.net.notes, *self.notes]
        text = f"no weights in the file for {layers_of(layers)} ({some_of(layers)})"
        return [*self.net.notes, *self.notes, f"{text}: made up by their fillers with seed {self.seed}"]

    def _source(self, layer: Layer, index: int) -> Source:
        file = PurePath(layer.file or self.net.file or "").name
        place = f"line {layer.line}" if layer.line is not None else None
        return Source("caffe", file, layer.name, layer.kind, (), place, index)


def _with_top(layer: Layer) -> Layer:
    """A loss without a top makes one of its own (net.cpp, AutoTopBlobs)."""
    return replace(layer, tops=(layer.name or "loss",)) if layer.kind in LOSS and not layer.tops else layer


@lru_cache(maxsize=256)
def _signature(handler: Handler) -> inspect.Signature:
    return inspect.signature(handler)


def _check_arity(handler: Handler, bottoms: int) -> None:
    try:
        _signature(handler).bind(None, *[None] * bottoms)
    except TypeError:
        names = list(_signature(handler).parameters)[1:]
        raise InvalidModelError(f"the layer has {bottoms} bottoms; its type takes {', '.join(names)}") from None
