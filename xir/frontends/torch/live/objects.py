"""What xir reads of torch's own objects, as protocols: neither the library nor its checks need torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Protocol, runtime_checkable

from xir.errors import MissingExtraError
from xir.ir.constant import Array


class Device(Protocol):
    """`torch.device`."""

    @property
    def type(self) -> str:
        """`cpu`, `cuda`, `meta`."""
        ...


class Memory(Protocol):
    """`torch.UntypedStorage`."""

    def data_ptr(self) -> int:
        """The address of its first byte."""
        ...


class LiveTensor(Protocol):
    """`torch.Tensor`."""

    @property
    def shape(self) -> Sequence[object]:
        """Sizes: numbers, or `SymInt`s."""
        ...

    @property
    def dtype(self) -> object:
        """`torch.float32`."""
        ...

    @property
    def layout(self) -> object:
        """`torch.strided`."""
        ...

    @property
    def device(self) -> Device:
        """Where it lies."""
        ...

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are computed for it."""
        ...

    def cpu(self) -> LiveTensor:
        """The elements in the processor's memory."""
        ...

    def is_inference(self) -> bool:
        """Whether it was made under `torch.inference_mode`."""
        ...

    def clone(self, *, memory_format: object = ...) -> LiveTensor:
        """The elements in memory of their own."""
        ...

    def copy_(self, source: LiveTensor) -> LiveTensor:
        """Takes the elements of another tensor."""
        ...

    def untyped_storage(self) -> Memory:
        """The memory that it shares with its views."""
        ...

    def detach(self) -> LiveTensor:
        """The same elements without gradients."""
        ...

    def numpy(self, *, force: bool = False) -> Array:
        """The elements as an array that shares them; with `force` from wherever they lie, however they are kept."""
        ...

    def view(self, dtype: object) -> LiveTensor:
        """The same bits as elements of another type."""
        ...

    def data_ptr(self) -> int:
        """The address of the first element; 0 where there is none."""
        ...

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order."""
        ...

    def is_neg(self) -> bool:
        """Whether its elements are those in memory with the other sign."""
        ...

    def as_strided(self, size: tuple[int, ...], stride: tuple[int, ...]) -> LiveTensor:
        """Elements of the same memory with other sizes and strides."""
        ...

    def permute(self, axes: tuple[int, ...]) -> LiveTensor:
        """The same elements with the axes in another order."""
        ...

    def __dlpack__(self, *, max_version: tuple[int, int] | None = ...) -> object:
        """The elements as a capsule."""
        ...

    def __dlpack_device__(self) -> tuple[int, int]:
        """Where they lie."""
        ...


@runtime_checkable
class SupportsStrides(Protocol):
    """A tensor, as far as it lies somewhere."""

    @property
    def shape(self) -> Sequence[object]:
        """Sizes: numbers, or `SymInt`s."""
        ...

    def stride(self) -> Sequence[object]:
        """Elements from one index to the next, of each axis."""
        ...


class SymbolicNode(Protocol):
    """What a `SymInt` holds."""

    @property
    def expr(self) -> object:
        """The formula of sympy."""
        ...


class SymbolicNumber(Protocol):
    """`torch.SymInt`, `torch.SymFloat`, `torch.SymBool`."""

    @property
    def node(self) -> SymbolicNode:
        """What it is."""
        ...


class FxNode(Protocol):
    """`torch.fx.Node`."""

    @property
    def op(self) -> str:
        """`placeholder`, `get_attr`, `call_function`, `call_method`, `call_module` or `output`."""
        ...

    @property
    def name(self) -> str:
        """Its own name."""
        ...

    @property
    def target(self) -> object:
        """What is called."""
        ...

    @property
    def args(self) -> tuple[object, ...]:
        """The arguments by place."""
        ...

    @property
    def kwargs(self) -> Mapping[str, object]:
        """The arguments by name."""
        ...

    @property
    def meta(self) -> dict[str, object]:
        """What tracing noted: `val`, `nn_module_stack`, `stack_trace`."""
        ...

    @property
    def all_input_nodes(self) -> Sequence[FxNode]:
        """What it reads, each once."""
        ...


class FxGraph(Protocol):
    """`torch.fx.Graph`."""

    @property
    def nodes(self) -> Iterable[FxNode]:
        """The calls in order."""
        ...


class FxModule(Protocol):
    """`torch.fx.GraphModule`."""

    @property
    def graph(self) -> FxGraph:
        """Its calls."""
        ...

    def forward(self, *args: object) -> object:
        """What it computes, call by call in PyTorch."""
        ...

    def recompile(self) -> object:
        """Makes `forward` anew, after calls were changed."""
        ...


class Kind(Protocol):
    """A member of an enumeration."""

    @property
    def name(self) -> str:
        """Of the member."""
        ...


class Spec(Protocol):
    """`InputSpec` and `OutputSpec` of torch/export/graph_signature.py."""

    @property
    def kind(self) -> Kind:
        """What the input or output is."""
        ...

    @property
    def arg(self) -> object:
        """A `TensorArgument`, `SymIntArgument`, `ConstantArgument`, .."""
        ...

    @property
    def target(self) -> str | None:
        """The weight or input that it belongs to."""
        ...


class Signature(Protocol):
    """`ExportGraphSignature`."""

    @property
    def input_specs(self) -> Sequence[Spec]:
        """What the inputs are."""
        ...

    @property
    def output_specs(self) -> Sequence[Spec]:
        """What the outputs are."""
        ...


class TreeSpec(Protocol):
    """`torch.utils._pytree.TreeSpec`: a container, or a leaf."""

    @property
    def type(self) -> object:
        """The class; None of a leaf."""
        ...

    @property
    def context(self) -> object:
        """What the class says of itself beside its children."""
        ...

    def children(self) -> Sequence[TreeSpec]:
        """What it holds."""
        ...


class Exported(Protocol):
    """`torch.export.ExportedProgram`."""

    @property
    def graph_module(self) -> FxModule:
        """The calls."""
        ...

    @property
    def graph_signature(self) -> Signature:
        """What the inputs and outputs are."""
        ...

    @property
    def state_dict(self) -> Mapping[str, LiveTensor]:
        """Parameters, and buffers that are saved."""
        ...

    @property
    def constants(self) -> Mapping[str, object]:
        """Other tensors and objects."""
        ...

    @property
    def range_constraints(self) -> Mapping[object, object]:
        """The ranges of symbols."""
        ...


class LiveModule(Protocol):
    """`torch.nn.Module`."""

    @property
    def training(self) -> bool:
        """Whether layers behave as in training."""
        ...

    def forward(self, *args: object, **kwargs: object) -> object:
        """What the module computes."""
        ...

    def buffers(self) -> Iterable[LiveTensor]:
        """Its state without gradients."""
        ...

    def named_buffers(self) -> Iterable[tuple[str, LiveTensor]]:
        """Its state with names."""
        ...

    def named_parameters(self) -> Iterable[tuple[str, LiveTensor]]:
        """Its weights with names."""
        ...


def torch_module(name: str = "torch") -> ModuleType:
    """The module of this name.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{name} is needed: {error}", hint="pip install torch") from error
