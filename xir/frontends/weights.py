"""Files that hold weights and no graph: checkpoints and safetensors, read as tensors by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from xir.errors import FormatError, Problem, UsageError
from xir.files import MappedFile, PathLike, open_mapped
from xir.ir.constant import Constant

MODEL_TABLES = frozenset(
    ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params")
)
"""Tables in which trainers keep the weights of the model itself, beside those of optimisers and averages."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The tensors of a file.

    Attributes:
        format: the format's name (`safetensors`, `pytorch`).
        files: the files that they were read from, the named one first.
        tensors: {name: elements}, which stay in their files.
        shared: {name: the first name of the same elements} for tensors with several names.
        values: what else the file says in words and numbers (`epoch`), by name.
        tables: the outermost tables with tensors in them (`model`, `optimizer`), where the file has tables.
        problems: tensors that cannot be read, and why.
        notes: what a person should know of how it was read.
    """

    format: str
    files: tuple[str, ...]
    tensors: Mapping[str, Constant]
    shared: Mapping[str, str] = field(default_factory=dict[str, str])
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    tables: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def model_table(self) -> str | None:
        """The table with the weights of the model itself: the only one, or the first of `MODEL_TABLES`; else None."""
        alone = len(self.tables) == 1 and all(name.startswith(f"{self.tables[0]}.") for name in self.tensors)
        return next((table for table in self.tables if alone or table in MODEL_TABLES), None)

    def below(self, table: str) -> Weights:
        """The tensors of one table, by their names in it (`model.conv.weight` becomes `conv.weight`).

        Raises:
            UsageError: there is no tensor in it.
        """
        prefix = f"{table}."
        names = {name: name[len(prefix) :] for name in self.tensors if name.startswith(prefix)}
        if not names:
            known = dict.fromkeys(name.partition(".")[0] for name in self.tensors)
            raise UsageError(f"there is no tensor in {table[:60]!r}", hint=f"there are {', '.join(list(known)[:20])}")
        first: dict[str, str] = {}
        for name in names:
            first.setdefault(self.shared.get(name, name), name)
        kept = {name: first[self.shared.get(name, name)] for name in names}
        return replace(
            self,
            tensors={short: self.tensors[name] for name, short in names.items()},
            shared={names[name]: names[other] for name, other in kept.items() if name != other},
            values={name[len(prefix) :]: value for name, value in self.values.items() if name.startswith(prefix)},
            tables=(),
            problems=tuple(_below(problem, prefix) for problem in self.problems if _below(problem, prefix).layers),
        )


def _below(problem: Problem, prefix: str) -> Problem:
    return replace(problem, layers=tuple(name[len(prefix) :] for name in problem.layers if name.startswith(prefix)))


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """One format of files with weights.

    Attributes:
        name: the short name.
        title: what it is, in words.
        suffixes: usual endings of file names.
        recognize: whether a file, from its content, is of this format.
        load: reads one; told whether companions may be links.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    recognize: Callable[[MappedFile], bool]
    load: Callable[[MappedFile, bool], Weights]


def weight_formats() -> tuple[WeightFormat, ...]:
    """Every format of weights that xir reads."""
    return (
        WeightFormat(
            "pytorch", "a checkpoint of PyTorch", (".pth", ".pt", ".ckpt", ".bin"), _is_checkpoint, _load_checkpoint
        ),
        WeightFormat("safetensors", "safetensors", (".safetensors",), _is_safetensors, _load_safetensors),
        WeightFormat(
            "tensorflow_checkpoint", "a checkpoint of TensorFlow", (".index", ".ckpt"), _is_table, _load_table
        ),
        WeightFormat("shards", "an index of several of these", (".index.json",), _is_index, _load_index),
    )


def weight_format(file: MappedFile) -> WeightFormat | None:
    """The format of a file with weights; None for other files.

    Raises:
        XirError: it looks like an archive of torch, and is damaged.
    """
    return next((each for each in weight_formats() if each.recognize(file)), None)


def load_weights(path: PathLike, *, trust_links: bool = False) -> Weights:
    """The tensors of a file, which stay in it.

    Args:
        path: a checkpoint of PyTorch or TensorFlow, a safetensors file, or the index of several.
        trust_links: takes shards that are links.

    Raises:
        FormatError: the file holds no weights, or is damaged.
        InvalidModelError, UnsafeError, FileError: as the format's own reader.
    """
    file = open_mapped(path)
    found = weight_format(file)
    if found is None:
        raise FormatError(
            "holds no weights that xir reads",
            file=os.fspath(path),
            hint="weights are read from "
            + ", ".join(f"{each.title} ({', '.join(each.suffixes)})" for each in weight_formats()),
        )
    return found.load(file, trust_links)


def _is_checkpoint(file: MappedFile) -> bool:
    from xir.frontends.torch.pickles.checkpoint import layout_of

    return layout_of(file) is not None


def _load_checkpoint(file: MappedFile, trust_links: bool) -> Weights:
    from xir.frontends.torch.pickles.checkpoint import read_checkpoint
    from xir.frontends.torch.pickles.flatten import flatten

    return flatten(read_checkpoint(file), file.path)


def _is_safetensors(file: MappedFile) -> bool:
    from xir.frontends.shards import looks_like_safetensors

    return looks_like_safetensors(file)


def _load_safetensors(file: MappedFile, trust_links: bool) -> Weights:
    from xir.frontends.shards import load_safetensors

    return load_safetensors(file)


def _is_index(file: MappedFile) -> bool:
    from xir.frontends.shards import looks_like_index

    return looks_like_index(file)


def _load_index(file: MappedFile, trust_links: bool) -> Weights:
    from xir.frontends.shards import load_index

    return load_index(file, trust_links)


def _is_table(file: MappedFile) -> bool:
    from xir.frontends.tensorflow.bundle.checkpoint import looks_like_table

    return looks_like_table(file)


def _load_table(file: MappedFile, trust_links: bool) -> Weights:
    from xir.frontends.tensorflow.bundle.checkpoint import load_checkpoint

    return load_checkpoint(file, trust_links)
