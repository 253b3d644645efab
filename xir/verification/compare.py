"""How far two arrays are apart: absolute, relative, and in units in the last place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from xir.ir.constant import Array

RTOL = 1e-3
ATOL = 1e-4
"""Default tolerances, `|a - b| <= atol + rtol * |a|`: two float32 implementations of a deep net differ in the order of
their sums alone by about depth * sqrt(fan in) * 2^-24; wrong semantics differ by far more. (rtol as in torch.onnx's
and tf2onnx's own verification.)"""

BOX_COLUMNS = 7

CHUNK_ELEMENTS = 1 << 16
"""Elements that are compared at once: about ten arrays of 8 bytes each are made for them, 5 MB, which fits into caches
and is nothing beside the arrays."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of one pair of arrays.

    Attributes:
        name: what was compared.
        shape: the shape of the expected array; of a sequence or a map, how many tensors it holds.
        max_absolute: the largest |a - b| of finite pairs.
        max_relative: the largest |a - b| / max(|a|, atol).
        max_ulp: the largest distance in representable numbers, None for arrays that are not floating-point.
        mismatches: how many elements lie outside the tolerance.
        reason: why the arrays cannot be compared element by element, or None.
    """

    name: str
    shape: tuple[int, ...]
    max_absolute: float = 0.0
    max_relative: float = 0.0
    max_ulp: int | None = None
    mismatches: int = 0
    reason: str | None = None

    @property
    def equal(self) -> bool:
        """Whether every element is within the tolerance."""
        return self.mismatches == 0 and self.reason is None

    def to_dict(self) -> dict[str, object]:
        """The difference as plain data."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "max_absolute": self.max_absolute,
            "max_relative": self.max_relative,
            "max_ulp": self.max_ulp,
            "mismatches": self.mismatches,
            "reason": self.reason,
            "equal": self.equal,
        }


def compare(name: str, expected: object, actual: object, *, rtol: float = RTOL, atol: float = ATOL) -> Difference:
    """The difference between two results; NaN equals NaN, infinities equal themselves.

    A sequence (a list) is compared element by element, a map (a dict) key by key, an absent optional is None; one
    difference stands for all tensors within, and its reason tells where the two are not of one form.

    Args:
        name: what is compared.
        expected: [...] any element type.
        actual: the same shape and kind of elements.
        rtol: relative tolerance.
        atol: absolute tolerance.
    """
    if isinstance(expected, np.ndarray) and isinstance(actual, np.ndarray):
        return _compare_arrays(name, cast("Array", expected), cast("Array", actual), rtol, atol)
    pieces: list[Difference] = []
    waiting: list[tuple[str, object, object]] = [("", expected, actual)]
    while waiting:
        place, a, b = waiting.pop()
        ours, theirs = _items(a), _items(b)
        if ours is not None and theirs is not None and ours.keys() == theirs.keys() and type(a) is type(b):
            waiting += [(f"{place}[{key!r}]", held, theirs[key]) for key, held in ours.items()]
        elif _is_tensor(a) and _is_tensor(b):
            one, other = np.asarray(cast("Array", a)), np.asarray(cast("Array", b))
            pieces.append(_compare_arrays(name, one, other, rtol, atol))
        elif a is not None or b is not None:
            pieces.append(Difference(name, (), reason=f"{place or 'the result'}: {_form(a)} and {_form(b)}"))
    return _together(name, pieces)


def _items(result: object) -> Mapping[object, object] | None:
    """What a sequence holds by place, a map by key; None of anything else."""
    if isinstance(result, list):
        return dict(enumerate(cast("list[object]", result)))
    return cast("dict[object, object]", result) if isinstance(result, dict) else None


def tensors_of(result: object) -> Iterator[Array]:
    """The tensors of a result: of a tensor, of sequences and maps of them; none of an absent optional."""
    waiting = [result]
    while waiting:
        held = waiting.pop()
        items = _items(held)
        if items is not None:
            waiting += reversed(list(items.values()))
        elif held is not None:
            yield np.asarray(cast("Array", held))


def _is_tensor(result: object) -> bool:
    return isinstance(result, np.ndarray | np.generic | str | int | float)


def _form(result: object) -> str:
    """A result's form in words."""
    items = _items(result)
    if items is None:
        return "nothing" if result is None else f"a tensor {list(np.shape(cast('Array', result)))}"
    if isinstance(result, list):
        return f"a sequence of {len(items)}"
    return f"a map of {sorted(map(str, items))[:_KEYS]}"


_KEYS = 8
"""Keys of a map that an error names."""


def _together(name: str, pieces: Sequence[Difference]) -> Difference:
    """One difference for all tensors of a result."""
    return Difference(
        name,
        (len(pieces),),
        max((piece.max_absolute for piece in pieces), default=0.0),
        max((piece.max_relative for piece in pieces), default=0.0),
        max((piece.max_ulp for piece in pieces if piece.max_ulp is not None), default=None),
        sum(piece.mismatches for piece in pieces),
        next((piece.reason for piece in pieces if piece.reason is not None), None),
    )


def _compare_arrays(name: str, expected: Array, actual: Array, rtol: float, atol: float) -> Difference:
    if expected.shape != actual.shape:
        return Difference(name, expected.shape, reason=f"shapes {list(expected.shape)} and {list(actual.shape)} differ")
    if expected.dtype.kind in "OUST" or actual.dtype.kind in "OUST":
        return Difference(name, expected.shape, mismatches=int(np.sum(expected != actual)))
    measured = _Measures()
    flat = expected.reshape(-1), actual.reshape(-1)
    for start in range(0, flat[0].size, CHUNK_ELEMENTS):
        a, b = (array[start : start + CHUNK_ELEMENTS] for array in flat)
        measured.add(a, b, rtol, atol)
    return Difference(
        name,
        expected.shape,
        measured.absolute,
        measured.relative,
        measured.ulp if _has_ulp(expected, actual) else None,
        measured.mismatches,
    )


@dataclass(slots=True)
class _Measures:
    """The differences of the elements so far."""

    absolute: float = 0.0
    relative: float = 0.0
    ulp: int = 0
    mismatches: int = 0

    def add(self, expected: Array, actual: Array, rtol: float, atol: float) -> None:
        """Compares one more piece of both arrays, which is copied to f64 or c128."""
        wide = np.complex128 if expected.dtype.kind == "c" else np.float64
        a, b = expected.astype(wide), actual.astype(wide)
        with np.errstate(all="ignore"):
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            distance = np.where(same, 0.0, np.abs(a - b))
            outside = ~same & ~(np.isfinite(distance) & (distance <= atol + rtol * np.abs(a)))
            finite = np.where(np.isfinite(distance), distance, 0.0)
            relative = finite / np.maximum(np.abs(a), atol)
        self.absolute = max(self.absolute, float(finite.max(initial=0.0)))
        self.relative = max(self.relative, float(np.where(np.isfinite(relative), relative, 0.0).max(initial=0.0)))
        self.mismatches += int(outside.sum())
        if _has_ulp(expected, actual):
            self.ulp = max(self.ulp, _ulp(expected, actual))


def _has_ulp(expected: Array, actual: Array) -> bool:
    return expected.dtype == actual.dtype and expected.dtype.name in ("float16", "float32", "float64")


def _ulp(expected: Array, actual: Array) -> int:
    width = expected.dtype.itemsize
    lowest = np.int64(-(1 << (8 * width - 1)))
    finite = np.isfinite(expected) & np.isfinite(actual)
    if not finite.any():
        return 0
    ordered: list[Array] = []
    for array in (expected, actual):
        bits = np.ascontiguousarray(array[finite]).view(f"<i{width}").astype(np.int64)
        ordered.append(np.where(bits < 0, lowest - bits, bits))
    steps = np.abs(ordered[0].astype(np.float64) - ordered[1].astype(np.float64))
    return int(steps.max(initial=0.0))


def compare_boxes(name: str, expected: Array, actual: Array, *, rtol: float = RTOL, atol: float = ATOL) -> Difference:
    """The difference of two detection outputs [1, 1, K, 7], whose rows are compared as a set of boxes.

    Rows are (image, label, score, x1, y1, x2, y2); the order of equal scores is nobody's promise, so both sides are
    sorted by image, label and falling score first (SSD's detection_output_layer.cpp).
    """
    if expected.shape != actual.shape or expected.shape[-1:] != (BOX_COLUMNS,):
        return compare(name, expected, actual, rtol=rtol, atol=atol)
    return compare(name, _sorted_rows(expected, atol), _sorted_rows(actual, atol), rtol=rtol, atol=atol)


def _sorted_rows(boxes: Array, atol: float) -> Array:
    rows = boxes.reshape(-1, BOX_COLUMNS)
    grid = np.round(rows.astype(np.float64) / max(atol, 1e-12))
    keys = (grid[:, 6], grid[:, 5], grid[:, 4], grid[:, 3], -grid[:, 2], rows[:, 1], rows[:, 0])
    return np.asarray(rows[np.lexsort(keys)])
