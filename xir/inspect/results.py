"""What a run gave: each output's type, range, and largest elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from xir.ir.constant import Array
from xir.ir.types import DType, dtype_from_numpy

TOP = 5
"""Elements that are named of each output."""


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """One output.

    Attributes:
        name: its name.
        dtype: its element type, by its short name.
        shape: its sizes.
        minimum: of its finite elements; None where there is none, or where they are no real numbers.
        maximum: likewise.
        mean: likewise.
        nonfinite: how many elements are NaN or infinite.
        top: (index, element) of the largest elements, falling.
        texts: the first elements of text.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    minimum: float | None
    maximum: float | None
    mean: float | None
    nonfinite: int
    top: tuple[tuple[tuple[int, ...], float], ...]
    texts: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The output as plain data."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": self.mean,
            "nonfinite": self.nonfinite,
            "top": [{"index": list(index), "value": value} for index, value in self.top],
            **({"texts": list(self.texts)} if self.texts else {}),
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run gave.

    Attributes:
        model: the model's file or name.
        inputs: (name, element type, sizes) of what was fed.
        outputs: what came out.
        notes: what a person should know of how the model and its inputs were read.
    """

    model: str
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    outputs: tuple[OutputSummary, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The report as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "model": self.model,
            "inputs": [{"name": name, "dtype": dtype, "shape": list(shape)} for name, dtype, shape in self.inputs],
            "outputs": [output.to_dict() for output in self.outputs],
            "notes": list(self.notes),
        }


def report_run(
    model: str, feeds: Mapping[str, object], outputs: Mapping[str, object], notes: tuple[str, ...] = ()
) -> RunReport:
    """The report of a run.

    Args:
        model: the model's file or name.
        feeds: what was fed, by name.
        outputs: what came out, by name.
        notes: what a person should know.
    """
    return RunReport(
        model,
        tuple((name, str(dtype_from_numpy(array.dtype)), array.shape) for name, array in flat(feeds).items()),
        tuple(_output(name, array) for name, array in flat(outputs).items()),
        notes,
    )


def flat(held: Mapping[str, object]) -> dict[str, Array]:
    """The arrays by name; those of a sequence are `name/0`, `name/1` ..., a map is `name/keys` and `name/values`.

    What is absent is left out.
    """
    found: dict[str, Array] = {}
    pending = list(held.items())[::-1]
    while pending:
        name, value = pending.pop()
        if isinstance(value, list):
            items = cast("list[object]", value)
            pending += [(f"{name}/{place}", items[place]) for place in reversed(range(len(items)))]
        elif isinstance(value, dict):
            table = cast("dict[object, object]", value)
            keys = list(table)
            text = bool(keys) and isinstance(keys[0], str)
            found[f"{name}/keys"] = np.array(keys, object) if text else np.array(keys, np.int64)
            values = list(table.values())
            if all(np.ndim(cast("ArrayLike", each)) == 0 for each in values):
                found[f"{name}/values"] = np.asarray(cast("ArrayLike", values))
            else:
                pending.append((f"{name}/values", values))
        elif value is not None:
            found[name] = np.asarray(cast("ArrayLike", value))
    return found


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element at a flat place."""
    index: list[int] = []
    for size in reversed(shape):
        place, axis = divmod(place, size)
        index.append(axis)
    return tuple(reversed(index))


def _output(name: str, array: Array) -> OutputSummary:
    dtype = dtype_from_numpy(array.dtype)
    if dtype is DType.STRING or array.dtype.kind == "c":
        texts = tuple(map(str, array.reshape(-1)[:TOP].tolist())) if dtype is DType.STRING else ()
        return OutputSummary(name, str(dtype), array.shape, None, None, None, 0, (), texts)
    wide = array.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    order = np.argsort(-np.where(np.isnan(wide), -np.inf, wide), axis=None, kind="stable")[:TOP]
    top = tuple((_index(int(place), array.shape), float(wide.flat[int(place)])) for place in order)
    known = finite.size > 0
    return OutputSummary(
        name,
        str(dtype),
        array.shape,
        float(finite.min()) if known else None,
        float(finite.max()) if known else None,
        float(finite.mean()) if known else None,
        int(wide.size - finite.size),
        top,
    )
