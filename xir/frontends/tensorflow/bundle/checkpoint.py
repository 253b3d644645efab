"""Checkpoints of either version: opened by what they hold, and listed as weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from xir.errors import FormatError, Problem, UnsupportedError
from xir.files import MappedFile
from xir.frontends.tensorflow.bundle.keys import Extent
from xir.frontends.tensorflow.bundle.reader import Bundle
from xir.frontends.tensorflow.bundle.slices import Slices
from xir.frontends.tensorflow.bundle.table import looks_like_table, read_table
from xir.frontends.weights import Weights
from xir.ir.constant import Constant
from xir.limits import check_name

__all__ = ["Checkpoint", "load_checkpoint", "looks_like_table", "open_checkpoint"]

_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""What is no tensor of the model: TensorFlow 2 keeps there which object has which variable."""

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
"""How TensorFlow 2 ends the name of a variable's elements, after the path of objects to it (trackable/base.py)."""

_META = 0x0A
"""The first byte of the header of the first version: its field 1 is a message, that of the second version a number."""


class Checkpoint(Protocol):
    """Tensors by name."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were opened so far."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tensors."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a tensor of this name."""
        ...

    def constant(self, name: str) -> Constant:
        """A tensor, whole."""
        ...

    def part(self, name: str, extents: Sequence[Extent]) -> Constant:
        """A part of a tensor."""
        ...


def open_checkpoint(file: MappedFile, *, trust_links: bool = False) -> Checkpoint:
    """The checkpoint whose table this is: the index of a bundle, or a file of the first version.

    Raises:
        FormatError: it is none, or damaged.
        UnsupportedError, InvalidModelError, UnsafeError: as `Bundle` and `Slices`.
    """
    table = read_table(file)
    header = table.entries.get(b"")
    if header is None:
        raise FormatError("the table is no checkpoint: it has no header", file=file.path)
    if table.content[header.start : header.stop][:1] == bytes([_META]):
        return Slices(file, table)
    return Bundle(file, table, trust_links=trust_links)


def load_checkpoint(file: MappedFile, trust_links: bool) -> Weights:
    """The tensors of a checkpoint by name; those of objects by the path to them.

    Raises:
        XirError: as `open_checkpoint` and `Checkpoint.constant`.
    """
    found = open_checkpoint(file, trust_links=trust_links)
    tensors: dict[str, Constant] = {}
    problems: dict[tuple[str, str | None], list[str]] = {}
    for name in found.names:
        check_name(name, what="the name of a tensor", file=file.path)
        short = name.removesuffix(_VALUE)
        if name == _OBJECTS:
            continue
        try:
            tensors[name if found.has(short) else short] = found.constant(name)
        except UnsupportedError as error:
            problems.setdefault((error.message, error.hint), []).append(short)
    told = tuple(Problem("tensor", tuple(names), why, hint) for (why, hint), names in problems.items())
    return Weights("tensorflow_checkpoint", found.files, tensors, problems=told)
