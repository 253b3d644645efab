"""What a handler sees of one call of a Keras layer: its settings, its weights, the masks of what it is called with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from xir.errors import InvalidModelError
from xir.frontends._contents import Contents
from xir.frontends._operands import Knowledge, Operands
from xir.frontends.keras.config import Config
from xir.frontends.keras.model import Json, KerasModel, Layer, Variable, Weights
from xir.frontends.keras.policy import policy_of
from xir.ir.constant import Constant
from xir.ir.dims import Shape, equal
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import cast

Results: TypeAlias = "Value | Sequence[Value]"
Handler: TypeAlias = Callable[..., Results]
"""(the call's site, *the tensors that it is called with) -> its results."""

_TOLD = ("regularizer", "constraint")
_SILENT = ("initializer", "init")
_COMMON = (
    "name",
    "trainable",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dtype",
    "input_dim",
    "input_length",
    "build_config",
    "autocast",
    "activity_regularizer",
    "optional",
    "ragged",
)
"""Settings that every layer may have and that change nothing in the result."""


class Cursor:
    """The weights of a layer, taken one after another in the order of the file."""

    __slots__ = ("_at", "weights")

    def __init__(self, weights: Weights) -> None:
        """The weights, from the first."""
        self.weights = weights
        self._at = 0

    def next(self) -> Variable | None:
        """The next weight, or None."""
        if self._at >= len(self.weights.variables):
            return None
        self._at += 1
        return self.weights.variables[self._at - 1]

    @property
    def left(self) -> int:
        """How many weights nobody has taken."""
        return len(self.weights.variables) - self._at

    def halves(self) -> tuple[Cursor, Cursor]:
        """The weights that are left, in two halves of equal length, taken."""
        left = self.weights.variables[self._at :]
        self._at = len(self.weights.variables)
        return Cursor(Weights(left[: len(left) // 2])), Cursor(Weights(left[len(left) // 2 :]))

    def first(self, count: int) -> Cursor:
        """The next `count` weights, taken."""
        held = self.weights.variables[self._at : self._at + count]
        self._at += len(held)
        return Cursor(Weights(held))

    def rest(self) -> Cursor:
        """The weights that are left, taken."""
        if self.weights.parts is not None:
            return self
        left = self.weights.variables[self._at :]
        self._at = len(self.weights.variables)
        return Cursor(Weights(left))

    def part(self, *names: str) -> Cursor:
        """The weights of a part of the layer; the list goes on where all stand in one."""
        found = self.weights
        for name in names:
            if found.parts is None:
                return self
            found = found.parts.get(name, Weights((), {}))
        return Cursor(found) if found is not self.weights else self


class Builder(Protocol):
    """What a call asks of the importer."""

    def parameter(self, variable: Variable, layer: str) -> Value:
        """A stored weight as a weight of the graph; the same value for all that ask."""
        ...

    def state(self, name: str, type: TensorType) -> Value:
        """An input that begins with 0 and is what the run before gave."""
        ...

    def keep(self, state: Value, new: Value) -> None:
        """What a state is for the next run."""
        ...

    def note(self, text: str) -> None:
        """Tells the person something, once."""
        ...

    def inner(self, site: Site, layer: Layer, cursor: Cursor, inputs: Sequence[Value]) -> tuple[Value, ...]:
        """The results of a layer that another one wraps."""
        ...


@dataclass(slots=True)
class Scope:
    """What all calls of one import share.

    Attributes:
        model: the model.
        knowledge: what is known of values.
        builder: the importer.
        masks: which steps of a sequence count, by the value of the sequence: bool [N, T].
    """

    model: KerasModel
    knowledge: Knowledge
    builder: Builder
    masks: dict[Value, Value] = field(default_factory=dict[Value, Value])


def scope_for(model: KerasModel, builder: Builder) -> Scope:
    """A scope that knows nothing yet."""
    constants: dict[Value, Constant] = {}
    return Scope(model, Knowledge(Contents(constants), constants), builder)


class Site(Operands):
    """One call of a layer, as its handler sees it.

    Attributes:
        layer: the layer.
        config: its settings.
        named: tensors that it is called with by name.
        arguments: what else it is called with.
        scope: what all calls share.
        cursor: its weights.
        masks: which steps of each input count (bool [N, T]), or None.
        result_mask: the same of the result; handlers set it, the importer keeps it.
        policy: with which real numbers it computes; None for what takes any.
    """

    __slots__ = ("arguments", "config", "cursor", "layer", "masks", "named", "policy", "result_mask", "scope")

    def __init__(
        self,
        layer: Layer,
        cursor: Cursor,
        scope: Scope,
        named: Mapping[str, Sequence[Value]] | None = None,
        arguments: Mapping[str, Json] | None = None,
    ) -> None:
        """The site of a call."""
        super().__init__(scope.knowledge)
        self.layer = layer
        self.config = Config(layer.config)
        self.named = dict(named or {})
        self.arguments = dict(arguments or {})
        self.scope = scope
        self.cursor = cursor
        self.masks: tuple[Value | None, ...] = ()
        self.result_mask: Value | None = None
        self.policy = policy_of(layer)

    @property
    def mask(self) -> Value | None:
        """Which steps of the first input count, or None where all do."""
        return self.masks[0] if self.masks else None

    @property
    def generation(self) -> int:
        """The major version of the Keras that wrote the file."""
        return self.scope.model.generation

    @property
    def channels_first(self) -> bool:
        """Whether images are [N, C, spatial...]."""
        value = self.config.raw("data_format")
        word = "channels_last" if value is None or value == "default" else value
        if word not in ("channels_first", "channels_last"):
            raise InvalidModelError(f"the setting 'data_format' is {word!r}")
        return word == "channels_first"

    def argument(self, name: str, default: Json = None) -> Json:
        """What the layer is called with by a name (or `argument 1` by its place), besides tensors."""
        return self.arguments.pop(name, default)

    def tensor(self, name: str) -> Value | None:
        """The tensor that the layer is called with by a name, or None."""
        held = self.named.pop(name, ())
        if len(held) > 1:
            self.invalid(f"the argument {name!r} is {len(held)} tensors, expected one")
        return held[0] if held else None

    def check_arguments(self) -> None:
        """Refuses arguments of the call that the handler did not ask for.

        Keras 3 gives every layer the `training` of the whole model (functional.py, `operation_fn`); before, a layer
        kept what it was called with.
        """
        if self.arguments.pop("training", None) and self.generation < 3:
            self.refuse("a call with training=True", "save the model as it runs in inference")
        left = [*self.named, *(name for name, value in self.arguments.items() if value not in (None, [], {}))]
        if left:
            self.refuse("the arguments " + ", ".join(repr(name) for name in left) + " of its call")

    def note(self, text: str) -> None:
        """Tells the person something of this layer, once."""
        self.scope.builder.note(text)

    def weight(self, what: str, shape: Shape | None = None) -> Value:
        """The layer's next weight.

        Args:
            what: its name, for messages.
            shape: the shape that it must have, where it is known.

        Raises:
            InvalidModelError: there is none, or it has another shape.
        """
        variable = self.cursor.next()
        if variable is None:
            self.invalid(f"the file lacks its weight {what!r}")
        value = self.scope.builder.parameter(variable, self.layer.name)
        value = value if self.policy is None else self._real(value, self.policy.within)
        if shape is not None:
            fits = len(shape) == value.rank and all(
                equal(a, b) is not False for a, b in zip(shape, value.shape, strict=True)
            )
            if not fits:
                self.invalid(f"its weight {what!r} has the shape {list(value.shape)}, expected {list(shape)}")
        return value

    def check_plain(self) -> None:
        """Refuses quantised weights; those of LoRA (Hu et al. 2021) are part of the kernels that Keras stores.

        keras/src/layers/core/dense.py, `_get_kernel_with_merged_lora`; the other layers do alike.
        """
        if self.config.raw("quantization_config") is not None:
            self.refuse("weights that are quantised", "save the model with plain weights")
        if self.config.raw("lora_rank") is not None:
            self.note("what LoRA trained is part of the kernels in the file")
        self.config.ignore("lora_alpha")

    def unasked(self) -> tuple[str, ...]:
        """Settings that the layer has and nobody asked for."""
        left = [name for name in self.config.unasked() if name not in _COMMON]
        found: list[str] = []
        for name in left:
            value = self.layer.config[name]
            if name.endswith(_SILENT) or name in ("dtype", "spectral_norm"):
                continue
            if name.endswith(_TOLD):
                if value is not None:
                    word = "regularizers" if name.endswith("regularizer") else "constraints"
                    self.note(f"{word} of weights are for training alone and are left out")
                continue
            if value is not None:
                found.append(name)
        return tuple(found)

    @property
    def quantized(self) -> str | None:
        """How its weights are quantised (`int8`, `int4`, `float8`), or None."""
        return None if self.policy is None else self.policy.quantized

    @property
    def dtype(self) -> DType:
        """The real numbers that the layer computes with."""
        return DType.FLOAT32 if self.policy is None else self.policy.within

    def take(self, value: Value) -> Value:
        """What the layer is called with, in the numbers that it computes with."""
        if self.policy is None:
            return value
        found = self._real(self._real(value, self.policy.given), self.policy.within)
        if found is not value and value in self.scope.masks:
            self.scope.masks[found] = self.scope.masks[value]
        return found

    def give(self, value: Value) -> Value:
        """A result in the numbers that the layer gives."""
        return value if self.policy is None else self._real(value, self.policy.result)

    def _real(self, value: Value, dtype: DType | None) -> Value:
        """Real numbers in another type; all other values as they are."""
        if dtype is None or not isinstance(value.type, TensorType) or not value.dtype.is_floating:
            return value
        return value if value.dtype is dtype else cast(value, dtype=dtype)
