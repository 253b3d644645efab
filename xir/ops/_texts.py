"""Arrays of texts: what operators on text read and make. Bytes that are no UTF-8 stand as lone surrogates (PEP 383)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from xir.errors import InvalidModelError
from xir.ir.constant import Array


def words(array: Array) -> list[str]:
    """The elements, in row-major order."""
    flat: list[object] = array.reshape(-1).tolist()
    return [from_bytes(item) if isinstance(item, bytes) else str(item) for item in flat]


def texts(items: Sequence[str], shape: tuple[int, ...]) -> Array:
    """An array of these elements."""
    made = np.empty(len(items), object)
    made[:] = items
    return made.reshape(shape)


def filled(rows: Sequence[Sequence[str]], shape: tuple[int, ...], fill: str = "") -> tuple[Array, Array]:
    """Rows [*shape, most], those that are shorter filled, and how long each is: i64, `shape`."""
    counts = np.asarray([len(row) for row in rows], np.int64).reshape(shape)
    most = int(counts.max(initial=0))
    flat = [piece for row in rows for piece in (*row, *[fill] * (most - len(row)))]
    return texts(flat, (*shape, most)), counts


def as_bytes(text: str) -> bytes:
    """The text in UTF-8.

    Raises:
        InvalidModelError: it holds half of a pair of UTF-16.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidModelError(f"the text {text[:60]!r} cannot be written in UTF-8") from error


def from_bytes(data: bytes) -> str:
    """The text that stands in UTF-8."""
    return data.decode("utf-8", "surrogateescape")


def joined(parts: Iterable[str], separator: str = "") -> str:
    """The texts behind each other; bytes of which one character consists meet again."""
    made = separator.join(parts)
    return made if made.isascii() else from_bytes(as_bytes(made))
