"""A hostile case: the files to lay out, which of them is given to xir, and which endings are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REFUSALS = frozenset((3, 4, 5, 8))
"""Exit codes for bad models: format, unsupported, invalid, unsafe (see `xir.errors`)."""

ANY = REFUSALS | {0}
"""A mutation may also leave a model that is right."""

MISSING = 9
"""The exit code of a file that is not there."""

Content = bytes | Callable[[Path], None]
"""A file's bytes, or what makes it at a path (links, HDF5 files)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One model that nobody should trust.

    Attributes:
        name: unique in its batch.
        model: the file that is given to xir.
        files: {name: content}, the model among them.
        endings: exit codes that are right; 0 is success.
        weights: whether the model is a file of weights, which become safetensors.
    """

    name: str
    model: str
    files: Mapping[str, Content] = field(default_factory=dict[str, Content])
    endings: frozenset[int] = ANY
    weights: bool = False


def case(name: str, model: str, content: Content, *, refused: bool = False, **others: Content) -> Case:
    """A case of one file; `refused` where success would be wrong."""
    return Case(name, model, {model: content, **others}, REFUSALS if refused else ANY)


def with_text(name: str, model: str, content: bytes, prototxt: bytes) -> Case:
    """A caffemodel with its prototxt beside it."""
    stem = model.rpartition(".")[0]
    return Case(name, model, {model: content, f"{stem}.prototxt": prototxt})


def unique(cases: Iterable[Case]) -> Iterator[Case]:
    """The cases, made one at a time; two of one name are a mistake of the tests."""
    names: set[str] = set()
    for each in cases:
        if each.name in names:
            raise ValueError(f"two cases are called {each.name!r}")
        names.add(each.name)
        yield each
