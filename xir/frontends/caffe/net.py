"""The plain net that a Caffe file holds: layers, their parameters and weights, phases; no operators.

Every generation of the format (V0, V1, V2) arrives here in V2 form (see `legacy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from xir.errors import InvalidModelError, Location
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.message import Message
from xir.frontends.caffe.schema import Dialect

Phase = Literal["TRAIN", "TEST"]
"""Training or inference (caffe.proto, enum Phase)."""

Generation = Literal["V0", "V1", "V2"]
"""Which form of layers the file had: `layers { layer { type: "conv" } }`, `layers { type: CONVOLUTION }`, `layer`."""

STRUCTURE = (
    "name", "type", "bottom", "top", "loss_weight", "param", "blobs", "include", "exclude", "phase", "propagate_down",
)  # fmt: skip
"""The fields of LayerParameter that `Layer` itself carries: they count as read."""


@dataclass(frozen=True, slots=True)
class NetState:
    """What the rules of layers are held against (caffe.proto, NetState)."""

    phase: Phase = "TEST"
    level: int = 0
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateRule:
    """One include or exclude rule (caffe.proto, NetStateRule); None means that the rule does not say."""

    phase: Phase | None = None
    min_level: int | None = None
    max_level: int | None = None
    stages: tuple[str, ...] = ()
    not_stages: tuple[str, ...] = ()

    def meets(self, state: NetState) -> bool:
        """Whether `state` fulfils the rule (net.cpp, StateMeetsRule): all stages named, none of the excluded ones."""
        if self.phase is not None and self.phase != state.phase:
            return False
        if self.min_level is not None and state.level < self.min_level:
            return False
        if self.max_level is not None and state.level > self.max_level:
            return False
        return all(stage in state.stages for stage in self.stages) and not any(
            stage in state.stages for stage in self.not_stages
        )


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """What a layer says about one of its weights (caffe.proto, ParamSpec).

    Attributes:
        name: weights of one name are one blob, owned by the first layer that names it; empty: not shared.
        permissive: shared blobs need only the same number of elements, not the same shape.
        lr_mult: factor of the learning rate, None where the file does not say (1).
        decay_mult: factor of the weight decay, None where the file does not say (1).
    """

    name: str = ""
    permissive: bool = False
    lr_mult: float | None = None
    decay_mult: float | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Layer:
    """One layer in V2 form.

    Attributes:
        name: the layer's name; may be empty or used twice (Caffe allows both).
        kind: the type, such as `Convolution`.
        bottoms: the names of its inputs.
        tops: the names of its outputs; one that is also a bottom is computed in place.
        parameters: the whole LayerParameter; the fields in `STRUCTURE` count as read already.
        blobs: its weights, in Caffe's order; empty where the file brings none.
        specs: what it says about its weights, by position.
        include: rules of which one must be met, unless there are none.
        exclude: rules of which none may be met.
        phase: the phase in which the layer is to be computed, or None for that of the net.
        loss_weights: one for each top, or none.
        propagate_down: whether gradients flow to each bottom, or none.
        file: the file that describes the layer.
        weights_file: the file that its blobs come from, or None.
    """

    name: str
    kind: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    parameters: Message
    blobs: tuple[Blob, ...] = ()
    specs: tuple[ParamSpec, ...] = ()
    include: tuple[StateRule, ...] = ()
    exclude: tuple[StateRule, ...] = ()
    phase: Phase | None = None
    loss_weights: tuple[float, ...] = ()
    propagate_down: tuple[bool, ...] = ()
    file: str | None = None
    weights_file: str | None = None

    @property
    def location(self) -> Location:
        """File, name and kind, for errors."""
        return Location(self.file, self.name, self.kind)

    @property
    def line(self) -> int | None:
        """The line of a text file where the layer starts, or None."""
        return self.parameters.line

    @property
    def offset(self) -> int | None:
        """The byte of a binary file where the layer starts, or None."""
        return self.parameters.offset

    def param(self, name: str) -> Message:
        """The layer's parameter message of that name (`"convolution_param"`); an empty one where it is not set."""
        return self.parameters.message(name)

    def unread(self) -> tuple[str, ...]:
        """Paths of the fields that the file sets and nobody has read yet."""
        return self.parameters.unread()

    def included(self, state: NetState) -> bool:
        """Whether the layer belongs to the net in `state` (net.cpp, FilterNet).

        Raises:
            InvalidModelError: the layer has include and exclude rules.
        """
        if self.include and self.exclude:
            raise InvalidModelError(
                "the layer has both include and exclude rules; expected one kind",
                hint="keep either the include or the exclude rules",
            ).located(self.location)
        if self.include:
            return any(rule.meets(state) for rule in self.include)
        return not any(rule.meets(state) for rule in self.exclude)

    def __repr__(self) -> str:
        """Name, kind and connections."""
        return f"Layer({self.name!r}, {self.kind}, {list(self.bottoms)} -> {list(self.tops)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Net:
    """A net in V2 form.

    Attributes:
        name: the net's name.
        layers: in the order of the file; old `input` fields are an Input layer in front.
        state: the state that the file itself gives, or the default (TEST).
        parameters: the other fields of NetParameter.
        generation: the form that the file had.
        inputs: names that the file declares as inputs without a shape (old caffemodels): Caffe strips them.
        dialect: the fork whose numbers a binary file was read with; None for text.
        file: the file that describes the net.
        notes: what was upgraded or left out, in words.
    """

    name: str
    layers: tuple[Layer, ...]
    state: NetState
    parameters: Message
    generation: Generation = "V2"
    inputs: tuple[str, ...] = ()
    dialect: Dialect | None = None
    file: str | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Name and size."""
        return f"Net({self.name!r}, {len(self.layers)} layers)"


def filter_net(net: Net, phase: Phase, *, level: int | None = None, stages: Sequence[str] = ()) -> Net:
    """The net's layers in one phase; `stages` are added to those that the file itself gives (net.cpp, Net::Net).

    Without `level` the file's own counts (0 where it gives none).

    Raises:
        InvalidModelError: a layer has include and exclude rules.
    """
    state = NetState(phase, net.state.level if level is None else level, (*net.state.stages, *stages))
    return replace(net, layers=tuple(layer for layer in net.layers if layer.included(state)), state=state)


def phases(net: Net) -> tuple[Phase, ...]:
    """The phases that the net tells apart: both where a rule names a phase, else the one of its state."""
    for layer in net.layers:
        if layer.include or layer.exclude:
            rules = (*layer.include, *layer.exclude)
            if any(rule.phase is not None for rule in rules):
                return ("TRAIN", "TEST")
    return (net.state.phase,)


def stages(net: Net) -> tuple[str, ...]:
    """The stages that rules of the net name, each once, in the order of the file."""
    found: dict[str, None] = {}
    for layer in net.layers:
        for rule in (*layer.include, *layer.exclude):
            found.update(dict.fromkeys((*rule.stages, *rule.not_stages)))
    return tuple(found)


def duplicates(net: Net) -> tuple[str, ...]:
    """Layer names that stand more than once; weights go to the first (net.cpp, CopyTrainedLayersFrom)."""
    seen: dict[str, int] = {}
    for layer in net.layers:
        seen[layer.name] = seen.get(layer.name, 0) + 1
    return tuple(name for name, count in seen.items() if count > 1)


def shared_parameters(net: Net) -> Mapping[tuple[int, int], tuple[int, int]]:
    """Which weights are another layer's: (layer index, weight index) -> the owner's pair (net.cpp, AppendParam).

    Only weights that share somebody else's blob are listed. Filter the net first: owners must be in the same phase.
    """
    owners: dict[str, tuple[int, int]] = {}
    shared: dict[tuple[int, int], tuple[int, int]] = {}
    for index, layer in enumerate(net.layers):
        for position, spec in enumerate(layer.specs):
            if spec.name:
                owner = owners.setdefault(spec.name, (index, position))
                if owner != (index, position):
                    shared[index, position] = owner
    return shared


def make_layer(message: Message, *, file: str | None = None, weights_file: str | None = None) -> Layer:
    """A `Layer` from a V2 LayerParameter; the fields in `STRUCTURE` count as read."""
    message.ignore(*STRUCTURE)
    blobs = message.blobs("blobs")
    return Layer(
        name=message.text("name"),
        kind=message.text("type"),
        bottoms=message.texts("bottom"),
        tops=message.texts("top"),
        parameters=message,
        blobs=blobs,
        specs=tuple(_spec(spec) for spec in message.messages("param")),
        include=tuple(_rule(rule) for rule in message.messages("include")),
        exclude=tuple(_rule(rule) for rule in message.messages("exclude")),
        phase=cast("Phase | None", message.optional_enum("phase")),
        loss_weights=message.numbers("loss_weight"),
        propagate_down=message.booleans("propagate_down"),
        file=file,
        weights_file=weights_file if blobs else None,
    )


def make_state(message: Message) -> NetState:
    """A `NetState` from its message."""
    return NetState(cast("Phase", message.enum("phase")), message.integer("level"), message.texts("stage"))


def _spec(message: Message) -> ParamSpec:
    return ParamSpec(
        name=message.text("name"),
        permissive=message.optional_enum("share_mode") == "PERMISSIVE",
        lr_mult=message.optional_number("lr_mult"),
        decay_mult=message.optional_number("decay_mult"),
    )


def _rule(message: Message) -> StateRule:
    return StateRule(
        phase=cast("Phase | None", message.optional_enum("phase")),
        min_level=message.optional_integer("min_level"),
        max_level=message.optional_integer("max_level"),
        stages=message.texts("stage"),
        not_stages=message.texts("not_stage"),
    )
