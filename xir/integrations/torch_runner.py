"""Machine code that is called with tensors of PyTorch.

Where a program is nothing but machine code, addresses are all that goes to it: its inputs are read where they lie, and
its outputs are tensors of PyTorch's own. Everything else goes through arrays, which takes several times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias, cast

import numpy as np

from xir.frontends.torch.call import COMPLEX
from xir.frontends.torch.live.objects import LiveTensor, torch_module
from xir.frontends.torch.live.tensors import array_of, tensor_of, torch_dtype
from xir.frontends.torch.live.traced import Traced
from xir.ir.constant import Array
from xir.ir.types import DType
from xir.runtime.executable import Executable
from xir.runtime.recent import Recent
from xir.runtime.results import Spare, result

Boxed: TypeAlias = Callable[[list[object]], Sequence[object]]
"""Takes its arguments in a list, which it empties, so that they can be freed before it returns."""
LARGE = 1 << 22
"""Bytes from which on a result lies in memory that was used before: PyTorch takes pages of its own for each."""


def runner(traced: Traced, executable: Executable) -> Boxed:
    """What calls a program with the arguments of a graph of torch.fx; it empties the list that holds them.

    Args:
        traced: the graph.
        executable: its program, compiled.
    """
    tensors = traced.program.body.tensors
    users = [tensors[input_.name].dtype for input_ in traced.program.inputs if input_.role == "user"]
    is_plain = (
        executable.takes_addresses and None not in traced.orders and COMPLEX.keys().isdisjoint((*users, *_made(traced)))
    )
    return _Addressed(traced, executable, users) if is_plain else _Arrays(traced, executable, users)


def _made(traced: Traced) -> list[DType | None]:
    """The types of what the graph returns; None for numbers."""
    names = [str(getattr(argument, "name", "")) for argument in traced.program.body.outputs]
    tensors = traced.program.body.tensors
    return [tensors[name].dtype if name in tensors else None for name in names]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An output for inputs of certain sizes: shape, strides in elements and type of the tensor, and large ones' own.

    Attributes:
        held: the shape as the elements lie; None where PyTorch has memory for them.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: object
    element: DType
    held: tuple[int, ...] | None


class _Addressed:
    """Calls machine code with addresses."""

    def __init__(self, traced: Traced, executable: Executable, users: Sequence[DType]) -> None:
        self._run = executable.run_at
        self._shapes = executable.shapes
        self._fed = [
            (feed.place, feed.by_size, None if _is_plain(feed.order) else feed.order, dtype.dtype.itemsize - 1)
            for feed, dtype in zip(traced.feeds, users, strict=True)
        ]
        self._made = [
            (order, port.type)
            for order, port in zip(traced.orders, executable.get_outputs(), strict=True)
            if order is not None and port.type is not None
        ]
        self._answers: Recent[tuple[object, ...], list[_Answer]] = Recent()
        self._spare: Spare = {}
        torch = torch_module()
        quick = getattr(torch_module("torch._C._dynamo.guards"), "_empty_strided_cpu", None)
        self._empty: Callable[[object, object, object], LiveTensor] = quick or (
            lambda shape, strides, dtype: torch.empty_strided(shape, strides, dtype=dtype)
        )

    def __call__(self, arguments: list[object]) -> list[LiveTensor]:
        """The results of the graph; the list of arguments is empty then."""
        held: list[LiveTensor] = []
        sources: list[int] = []
        shapes: list[tuple[int, ...]] = []
        for place, by_size, order, odd in self._fed:
            if by_size:
                shapes.append((cast("int", arguments[place]),))
                sources.append(0)
                continue
            tensor = cast("LiveTensor", arguments[place])
            if order is not None:
                tensor = tensor.permute(order)
            address = tensor.data_ptr()
            if address & odd or not tensor.is_contiguous() or tensor.is_neg():
                tensor = tensor.detach().clone(memory_format=torch_module().contiguous_format)
                address = tensor.data_ptr()
            held.append(tensor)
            sources.append(address)
            shapes.append(cast("tuple[int, ...]", tensor.shape))
        arguments.clear()
        key = tuple(shapes)
        answers = self._answers.get(key)
        if answers is None:
            answers = self._answers.keep(key, self._answered(key))
        empty = self._empty
        made = [
            empty(answer.shape, answer.strides, answer.dtype) if answer.held is None else self._large(number, answer)
            for number, answer in enumerate(answers)
        ]
        self._run(key, sources, [tensor.data_ptr() for tensor in made])
        return made

    def _answered(self, key: tuple[tuple[int, ...], ...]) -> list[_Answer]:
        found: list[_Answer] = []
        for shape, (order, dtype) in zip(self._shapes(key), self._made, strict=True):
            steps = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
            places = [order.index(axis) for axis in range(len(order))]
            is_large = prod(shape) * dtype.dtype.itemsize >= LARGE
            sizes, strides = ([each[place] for place in places] for each in (shape, steps))
            found.append(_Answer((*sizes,), (*strides,), torch_dtype(dtype), dtype, shape if is_large else None))
        return found

    def _large(self, number: int, answer: _Answer) -> LiveTensor:
        array = result(answer.held or (), answer.element.dtype, self._spare, number)
        return tensor_of(array, answer.element).as_strided(answer.shape, answer.strides)


def _is_plain(order: tuple[int, ...]) -> bool:
    return order == tuple(range(len(order)))


class _Arrays:
    """Calls a program with arrays that share the elements of tensors."""

    def __init__(self, traced: Traced, executable: Executable, users: Sequence[DType]) -> None:
        self._executable = executable
        self._fed = [(feed, dtype in COMPLEX) for feed, dtype in zip(traced.feeds, users, strict=True)]
        self._made = [
            (order, port.type, dtype in COMPLEX)
            for order, port, dtype in zip(traced.orders, executable.get_outputs(), _made(traced), strict=True)
        ]

    def __call__(self, arguments: list[object]) -> list[object]:
        """The results of the graph; the list of arguments is empty then."""
        arrays = [
            np.empty(cast("int", arguments[feed.place]), np.bool_)
            if feed.by_size
            else _fed(cast("LiveTensor", arguments[feed.place]), feed.order, is_complex)
            for feed, is_complex in self._fed
        ]
        arguments.clear()
        made = self._executable(*arrays)
        return [
            array.item() if order is None or dtype is None else _laid(array, dtype, order, is_complex)
            for array, (order, dtype, is_complex) in zip(made, self._made, strict=True)
        ]


def _fed(tensor: LiveTensor, order: tuple[int, ...], is_complex: bool) -> Array:
    """The elements with the axes in this order; complex ones as their parts along a last axis."""
    turned = tensor.permute(order)
    if is_complex:
        turned = cast("LiveTensor", torch_module().view_as_real(torch_module().resolve_conj(turned).detach()))
    return array_of(turned, "an argument")


def _laid(array: Array, dtype: DType, order: tuple[int, ...], is_complex: bool) -> LiveTensor:
    """An array with the axes in this order as a tensor."""
    tensor = tensor_of(array, dtype)
    tensor = cast("LiveTensor", torch_module().view_as_complex(tensor)) if is_complex else tensor
    return tensor.permute(tuple(map(order.index, range(len(order)))))
