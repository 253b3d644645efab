"""Files that hold weights and no graph: checkpoints and safetensors, read as tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.errors import Problem
from xir.ir.constant import Constant


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a file.

    Attributes:
        format: the format's name (`safetensors`, `pytorch`).
        files: the files that they were read from, the named one first.
        tensors: {name: elements}, which stay in their files.
        shared: {name: the first name of the same elements} for tensors with several names.
        values: what else the file says in words and numbers (`epoch`), by name.
        problems: tensors that cannot be read, and why.
        notes: what a person should know of how it was read.
    """

    format: str
    files: tuple[str, ...]
    tensors: Mapping[str, Constant]
    shared: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
