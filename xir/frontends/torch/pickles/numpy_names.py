"""The names that build NumPy's arrays and numbers in pickles, as data (numpy/_core/multiarray.py, numeric.py).

Trainers keep losses and scores as NumPy numbers beside the weights, and some keep weights as arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xir.errors import UnsupportedError
from xir.frontends.torch.pickles.objects import Constructor, as_tuple
from xir.frontends.torch.pickles.plain_names import Arguments, wrong_arguments
from xir.ir.constant import Constant, constant_of
from xir.limits import byte_count

_KINDS = frozenset(
    ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
)  # numpy.dtype.str without its byte order; text, objects, times and records are none
_ORDERS = ("<", ">", "|", "=")


@dataclass(slots=True, eq=False, repr=False)
class NumpyType:
    """An element type of NumPy.

    Attributes:
        kind: `f4`, `i8`, ...
        order: its byte order as NumPy writes it.
    """

    kind: str
    order: str = "<"

    def build(self, state: object, /) -> None:
        """Takes (version, byte order, ...), whose other parts describe records; raises InvalidModelError."""
        match as_tuple(state):
            case (int(), str() as order, None, None, None, *_) if order in _ORDERS:
                self.order = order
            case _:
                raise wrong_arguments("numpy.dtype", (state,))

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The type itself."""
        return np.dtype(f"{'<' if self.order in '|=' else self.order}{self.kind}")


@dataclass(slots=True, eq=False, repr=False)
class NumpyArray:
    """An array that is in the pickle itself.

    Attributes:
        constant: its elements, once they are known.
    """

    constant: Constant | None = None

    def build(self, state: object, /) -> None:
        """Takes (version, shape, element type, column-major order, bytes); raises InvalidModelError."""
        match as_tuple(state):
            case (int(), shape, NumpyType() as type, bool() | int() as columns, bytes() | bytearray() as data):
                self.constant = _constant("numpy.ndarray", data, type, shape, columns=bool(columns))
            case _:
                raise wrong_arguments("numpy.ndarray", (state,))


@dataclass(frozen=True, slots=True)
class _Class:
    """`numpy.ndarray` itself."""

    name: str = "numpy.ndarray"


def numpy_names() -> Mapping[str, object]:
    """{full name: what it means} for arrays and numbers; NumPy 2 renamed `numpy.core` to `numpy._core`."""
    made: dict[str, Callable[[Arguments], object]] = {"numpy.dtype": _type}
    for core in ("numpy.core", "numpy._core"):
        made |= {
            f"{core}.multiarray._reconstruct": _reconstruct,
            f"{core}.multiarray.scalar": _scalar,
            f"{core}.numeric._frombuffer": _from_buffer,
        }
    return {"numpy.ndarray": _Class(), **{name: Constructor(name, call) for name, call in made.items()}}


def _type(arguments: Arguments) -> NumpyType:
    """(`f4`, aligned, copied)."""
    match arguments:
        case (str() as kind, *_) if kind in _KINDS:
            return NumpyType(kind)
        case (str() as kind, *_):
            raise UnsupportedError(
                f"NumPy's type {kind[:20]!r} is no tensor's", hint="keep text and objects out of the checkpoint"
            )
        case _:
            raise wrong_arguments("numpy.dtype", arguments)


def _reconstruct(arguments: Arguments) -> NumpyArray:
    """(numpy.ndarray, (0,), b"b"): an empty array that gets its state later."""
    match arguments:
        case (_Class(), (0,), b"b" | "b"):
            return NumpyArray()
        case _:
            raise wrong_arguments("numpy.core.multiarray._reconstruct", arguments)


def _scalar(arguments: Arguments) -> object:
    """(element type, bytes): a number of Python's."""
    match arguments:
        case (NumpyType() as type, bytes() as data) if len(data) == type.dtype.itemsize:
            return np.frombuffer(data, type.dtype)[0].item()
        case _:
            raise wrong_arguments("numpy.core.multiarray.scalar", arguments)


def _from_buffer(arguments: Arguments) -> NumpyArray:
    """(bytes, element type, shape, order), as protocol 5 writes arrays."""
    match arguments:
        case (bytes() | bytearray() as data, NumpyType() as type, shape, "C" | "F" as order):
            return NumpyArray(_constant("numpy.core.numeric._frombuffer", data, type, shape, columns=order == "F"))
        case _:
            raise wrong_arguments("numpy.core.numeric._frombuffer", arguments)


def _constant(name: str, data: bytes | bytearray, type: NumpyType, shape: object, *, columns: bool) -> Constant:
    sizes = tuple(size for size in as_tuple(shape) or () if isinstance(size, int))
    fits = len(sizes) == len(as_tuple(shape) or (None,)) or shape == ()
    if not fits or byte_count(sizes, type.dtype.itemsize * 8) != len(data):
        raise wrong_arguments(name, (data, shape))
    array = np.frombuffer(bytes(data), type.dtype).reshape(sizes, order="F" if columns else "C")
    return constant_of(array.astype(type.dtype.newbyteorder("="), order="C", copy=False))
