"""Packed sequences in a run of a module: calls that PyTorch takes apart by lengths are kept whole.

A call on packed sequences is a loop over their lengths inside of PyTorch (aten/src/ATen/native/RNN.cpp,
PackedSequence.cpp), and what is packed has a row for each step of each sequence. Lengths are elements: neither they nor
such sizes may come into Python. Two numbers may. How many sequences have a first step is how many there are. How long
the longest one is, PyTorch's own code asks for to pad up to it where nobody says a length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import cast

from xir.frontends.torch.live.objects import LiveTensor

_RECURRENT = frozenset({"gru", "lstm", "rnn_relu", "rnn_tanh"})
_PACKING = frozenset({"_pack_padded_sequence", "_pad_packed_sequence"})
_SIZES = frozenset({"size", "shape", "numel", "nelement", "__len__"})
"""Methods and properties of tensors that tell sizes."""
_PADDING = "torch.nn.utils.rnn"
"""The module of `pad_packed_sequence`."""
_TO_LONGEST = -1
"""What `_pad_packed_sequence` takes for the length of the longest one."""


class Longest(int):
    """How long the longest sequence of the run is."""


class Packs:
    """The packed sequences of one run, by the memory of their tensors, which views share."""

    def __init__(self) -> None:
        """Nothing is packed yet."""
        self._open: set[int] = set()
        self._counts: set[int] = set()

    @staticmethod
    def whole(func: Callable[..., object], items: Sequence[object], named: Mapping[str, object]) -> str | None:
        """The operator that a function of `torch` stays in the run; None for one whose parts are followed."""
        name = _name(func)
        if name in _PACKING:
            return f"aten.{name}.default"
        is_packed = "batch_sizes" in named or (len(items) > 3 and isinstance(items[3], list | tuple))
        return f"aten.{name}.data" if name in _RECURRENT and is_packed else None

    @staticmethod
    def arguments(items: Sequence[object]) -> list[object]:
        """The arguments of such an operator as they are in every run."""
        return [_TO_LONGEST if isinstance(item, Longest) else item for item in items]

    def note(self, kind: str, made: Sequence[object]) -> int:
        """Remembers the tensors that such an operator made.

        Returns:
            How many of them are packed: they come first.
        """
        if "_pad_packed" in kind:
            return 0
        counts = [memory_of(made[1])] if "_pack_padded" in kind else []
        self._counts.update(counts)
        self._open.update((memory_of(made[0]), *counts))
        return 1

    def spread(self, read: Iterable[object], made: Iterable[object]) -> None:
        """What is computed of tensors of such sizes may have such sizes."""
        if not self._open.isdisjoint(map(memory_of, read)):
            self._open.update(memory_of(each) for each in made if _rank(each))

    def is_number_of_sequences(self, kind: str, items: Sequence[object]) -> bool:
        """Whether a call reads how many sequences have a first step."""
        if kind != "aten._local_scalar_dense.default" or memory_of(items[0]) not in self._counts:
            return False
        return cast("LiveTensor", items[0]).data_ptr() == memory_of(items[0])

    def tells_size(self, func: Callable[..., object], items: Sequence[object]) -> bool:
        """Whether a call tells a size that depends on lengths."""
        name = _name(func)
        if not self._open or name not in _SIZES or not _rank(items[0]) or memory_of(items[0]) not in self._open:
            return False
        axis = items[1] if name == "size" and len(items) > 1 else 0
        return not isinstance(axis, int) or axis % _rank(items[0]) == 0

    def is_padding(self, items: Sequence[object], frame: FrameType | None) -> bool:
        """Whether it is PyTorch's own function that asks how many steps there are, to pad up to the longest."""
        name = None if frame is None else frame.f_globals.get("__name__")
        return memory_of(items[0]) in self._counts and name == _PADDING


def _name(func: Callable[..., object]) -> str:
    """The name of a function, method or property."""
    name = str(getattr(func, "__name__", ""))
    return str(getattr(getattr(func, "__self__", None), "__name__", "")) if name == "__get__" else name


def _rank(tensor: object) -> int:
    return len(cast("LiveTensor", tensor).shape)


def memory_of(tensor: object) -> int:
    """Where the memory of a tensor and all its views begins."""
    return cast("LiveTensor", tensor).untyped_storage().data_ptr()
