"""Examples of operators on serialized examples."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from tests.ops.cases import Case, case
from xir.ir.types import DType
from xir.ops._texts import from_bytes, texts
from xir.ops.examples import example_feature

Feature = list[int] | list[float] | list[bytes] | None


def varint(value: int) -> bytes:
    """A whole number of variable length, of 64 bits."""
    value &= (1 << 64) - 1
    made = b""
    while value > 127:
        made, value = made + bytes((value & 127 | 128,)), value >> 7
    return made + bytes((value,))


def held(number: int, data: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def listed(feature: Feature, packed: bool = True) -> bytes:
    """A Feature; of no elements at all, its list is one of bytes; None is one without a list."""
    if feature is None:
        return b""
    if not feature or isinstance(feature[0], bytes):
        return held(1, b"".join(held(1, each) for each in feature if isinstance(each, bytes)))
    if isinstance(feature[0], float):
        parts = [struct.pack("<f", each) for each in feature if isinstance(each, float)]
        return held(2, held(1, b"".join(parts)) if packed else b"".join(varint(1 << 3 | 5) + part for part in parts))
    parts = [varint(each) for each in feature if isinstance(each, int)]
    return held(3, held(1, b"".join(parts)) if packed else b"".join(varint(1 << 3) + part for part in parts))


def serialized(*features: tuple[str, Feature], packed: bool = True) -> bytes:
    """An example with these features, in this order."""
    entries = (held(1, key.encode()) + held(2, listed(feature, packed)) for key, feature in features)
    return held(1, b"".join(held(1, entry) for entry in entries))


def examples(*data: bytes) -> np.ndarray:
    """Texts of these bytes."""
    return texts([from_bytes(each) for each in data], (len(data),))


def cases() -> Iterator[Case]:
    both = examples(
        serialized(("a", [1.5, -2.0]), ("n", [-7]), ("s", [b"\xff", b"b"])),
        serialized(("n", [1 << 40]), ("s", [b"", b"c"]), ("a", [0.0, 1e30]), packed=False),
    )
    for key, dtype, shape in (("a", DType.FLOAT32, (2, 1)), ("n", DType.INT64, ()), ("s", DType.STRING, (2,))):
        yield case(example_feature, both, None, key=key, shape=shape, dtype=dtype).noted(key)
    default = np.array([3.0], np.float32)
    yield case(example_feature, both, default, key="z", shape=(1,), dtype=DType.FLOAT32).noted("default")
