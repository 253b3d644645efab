"""Arguments of calls as torch's own objects hold them, as a program has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from xir.errors import UnsupportedError
from xir.frontends.torch.live.objects import torch_module
from xir.frontends.torch.live.tensors import dtype_of
from xir.frontends.torch.program import Argument, OperatorName, Subgraph


class ArgumentReader:
    """Reads arguments."""

    def __init__(self, referred: Callable[[object], Argument | Subgraph]) -> None:
        """A reader that asks `referred` what stands for a tensor or node; None says that it is neither."""
        torch, operators = torch_module(), torch_module("torch._ops")
        self._referred = referred
        self._dtype = cast("type[object]", torch.dtype)
        self._device = cast("type[object]", torch.device)
        self._named = tuple(cast("type[object]", each) for each in (torch.memory_format, torch.layout))
        self._operator = cast("type[object]", operators.OpOverload)

    def argument(self, item: object) -> Argument:
        """The argument.

        Raises:
            UnsupportedError: it is of no kind that a program has.
        """
        if item is None or isinstance(item, bool | int | float | complex | str):
            return item
        if isinstance(item, tuple | list):
            return tuple(self.argument(each) for each in cast("Sequence[object]", item))
        if isinstance(item, Mapping):
            return {str(key): self.argument(each) for key, each in cast("Mapping[object, object]", item).items()}
        found = self._referred(item)
        return self._plain(item) if found is None else found

    def _plain(self, item: object) -> Argument:
        if isinstance(item, self._dtype):
            return dtype_of(item)
        if isinstance(item, self._named):
            return str(item).removeprefix("torch.")
        if isinstance(item, self._device):
            return str(item).partition(":")[0]
        if isinstance(item, self._operator):
            return OperatorName(str(item))
        raise UnsupportedError(f"an argument of type {type(item).__name__}", hint="xir reads tensors and numbers")
