"""Samples from files: the inputs on which a model is calibrated or measured, read one batch at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xir.errors import FileError, UsageError
from xir_cli.feeds import read_npy, read_npz

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from xir.ir.graph import Graph
    from xir.ir.types import TensorType

    Array = NDArray[np.generic]

BATCH = 8
"""Rows of a file that are fed at once where the model leaves the first size open."""

_ENDINGS = (".npy", ".npz")


class SampleFiles:
    """Samples in .npy files (models with one input) and .npz files (arrays named after the inputs).

    An array that has the input's shape is one sample. One with more rows is cut along its first axis, into as many
    rows as the model takes, and one that lacks the first axis gets it. Each walk reads the files again; .npy files are
    mapped, so that no more than a batch is held of them.
    """

    def __init__(self, graph: Graph, words: Sequence[str]) -> None:
        """The samples of the files and folders that `words` name, for the inputs of `graph`.

        Raises:
            FileError: one does not exist, or a folder holds no such file.
            UsageError: a file has another ending.
        """
        self.types = _types(graph)
        self.paths = tuple(path for word in words for path in _files(word))

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        """Reads the samples in the order of the names.

        Raises:
            UsageError: an array does not fit the input.
        """
        for path in self.paths:
            yield from self._batches(self._arrays(path), path)

    def _arrays(self, path: str) -> Mapping[str, Array]:
        if path.endswith(".npz"):
            arrays = read_npz(path)
            if set(arrays) != set(self.types):
                raise UsageError(f"{path} holds {sorted(arrays)}; the model takes {sorted(self.types)}")
            return arrays
        if len(self.types) != 1:
            raise UsageError(
                f"{path} is one array; the model takes {sorted(self.types)}",
                hint="save an .npz file with an array for each input: numpy.savez(path, **arrays)",
            )
        return {name: read_npy(path) for name in self.types}

    def _batches(self, arrays: Mapping[str, Array], path: str) -> Iterator[Mapping[str, Array]]:
        whole = self._fitting(arrays)
        step = self._step()
        rows = {len(array) if array.ndim == self.types[name].rank > 0 else 0 for name, array in arrays.items()}
        if whole is not None and (len(rows) != 1 or step is None or max(rows) <= step):
            yield whole
            return
        count = rows.pop() if len(rows) == 1 else 0
        first = None if step is None or count < step else self._rows(arrays, 0, step)
        if step is None or first is None:
            shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
            wanted = ", ".join(f"{name} {type!r}" for name, type in self.types.items())
            raise UsageError(f"{path} holds {shapes}; the model takes {wanted}", hint="--input NAME=TYPE fixes sizes")
        yield first
        for start in range(step, count, step):
            batch = self._rows(arrays, start, step)
            # The last rows may be fewer than a model of fixed sizes takes.
            if batch is not None:
                yield batch

    def _rows(self, arrays: Mapping[str, Array], start: int, step: int) -> Mapping[str, Array] | None:
        return self._fitting({name: array[start : start + step] for name, array in arrays.items()})

    def _fitting(self, arrays: Mapping[str, Array]) -> Mapping[str, Array] | None:
        """The arrays as one sample, or None where one does not fit."""
        found: dict[str, Array] = {}
        for name, array in arrays.items():
            fitting = _whole(array, self.types[name])
            if fitting is None:
                return None
            found[name] = fitting
        return found

    def _step(self) -> int | None:
        """How many rows make a batch: as many as the inputs have, `BATCH` where that is open, None without rows."""
        sizes = [type.shape[0] if type.rank else None for type in self.types.values()]
        known = {size for size in sizes if isinstance(size, int)}
        if None in sizes or len(known) > 1:
            return None
        return max(known.pop(), 1) if known else BATCH


def _types(graph: Graph) -> dict[str, TensorType]:
    from xir.ir.types import TensorType

    found: dict[str, TensorType] = {}
    for name, value in zip(graph.input_names, graph.inputs, strict=True):
        if not isinstance(value.type, TensorType):
            raise UsageError(f"samples are arrays; input {name!r} is {value.type!r}")
        found[name] = value.type
    return found


def _files(word: str) -> list[str]:
    if os.path.isdir(word):
        found = sorted(os.path.join(word, name) for name in os.listdir(word) if name.endswith(_ENDINGS))
        if not found:
            raise FileError("holds no .npy or .npz files", file=word)
        return found
    if not word.endswith(_ENDINGS):
        raise UsageError(f"{word}: samples are .npy or .npz files, or folders of them")
    return [word]


def _whole(array: Array, type: TensorType) -> Array | None:
    """The array as one sample, in the input's element type; None where it does not fit."""
    wanted = type.dtype.dtype
    if array.ndim == type.rank - 1 and (not isinstance(type.shape[0], int) or type.shape[0] == 1):
        array = array[None]
    fits = array.ndim == type.rank and all(
        not isinstance(size, int) or size == have for size, have in zip(type.shape, array.shape, strict=True)
    )
    if not fits or not (array.dtype == wanted or type.dtype.is_floating):
        return None
    return array if array.dtype == wanted else array.astype(wanted)
