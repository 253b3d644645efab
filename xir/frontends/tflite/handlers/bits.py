"""STABLEHLO_RNG_BIT_GENERATOR: bits that follow from a state, word for word as LiteRT draws them.

Facts: `Threefry2x32`, `Philox4x32` (tensorflow/lite/kernels/rng_util.cc; Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", SC 2011), the order of words and the state behind them: rng_bit_generator.cc.
"""

from __future__ import annotations

from collections.abc import Callable

from xir.frontends._handlers import Handlers
from xir.frontends.tflite.site import Handler, Site, as_dtype, literal
from xir.frontends.tflite.tensors import dtype_of
from xir.ir.node import Value
from xir.ir.types import DType
from xir.limits import element_count
from xir.ops import elementwise
from xir.ops.bitwise import bitwise_and, bitwise_or, bitwise_xor, shift_left, shift_right
from xir.ops.cast import bit_cast
from xir.ops.shape import broadcast, concat, iota, reshape, slice_

raw: Handlers[Handler] = Handlers("tflite")

_U32, _U64 = DType.UINT32, DType.UINT64
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_FACTORS = (0xD2511F53, 0xCD9E8D57)
_STEPS = (0x9E3779B9, 0xBB67AE85)


def _like(x: Value, number: int) -> Value:
    return broadcast(literal(number, x.dtype), shape=x.shape)


def _halves(x: Value) -> list[Value]:
    """The lower and the upper half of u64, as u32."""
    low = bitwise_and(x, _like(x, 0xFFFFFFFF))
    return [as_dtype(each, _U32) for each in (low, shift_right(x, _like(x, 32)))]


def _joined(low: Value, high: Value) -> Value:
    upper = as_dtype(high, _U64)
    return bitwise_or(as_dtype(low, _U64), shift_left(upper, _like(upper, 32)))


def _threefry(key: list[Value], counter: list[Value]) -> list[Value]:
    """Twenty rounds over two words."""
    keys = [*key, bitwise_xor(bitwise_xor(*key), _like(key[0], _PARITY))]
    first, second = (elementwise.add(word, each) for word, each in zip(counter, key, strict=True))
    for number in range(5):
        for places in _ROTATIONS[number % 2]:
            first = elementwise.add(first, second)
            turned = shift_left(second, _like(second, places)), shift_right(second, _like(second, 32 - places))
            second = bitwise_xor(bitwise_or(*turned), first)
        first = elementwise.add(first, keys[(number + 1) % 3])
        second = elementwise.add(elementwise.add(second, keys[(number + 2) % 3]), _like(second, number + 1))
    return [first, second]


def _philox(key: list[Value], counter: list[Value]) -> list[Value]:
    """Ten rounds over four words."""
    words = counter
    for number in range(10):
        wide = [as_dtype(words[place], _U64) for place in (0, 2)]
        products = (elementwise.mul(x, _like(x, factor)) for x, factor in zip(wide, _FACTORS, strict=True))
        (low_a, high_a), (low_b, high_b) = map(_halves, products)
        own = [elementwise.add(k, _like(k, number * step % (1 << 32))) for k, step in zip(key, _STEPS, strict=True)]
        words = [
            bitwise_xor(bitwise_xor(high_b, words[1]), own[0]),
            low_b,
            bitwise_xor(bitwise_xor(high_a, words[3]), own[1]),
            low_a,
        ]
    return words


def _state(site: Site, state: Value, words: int) -> tuple[Value, Value, list[Value]]:
    """The key, the counter and what stands behind it, u64[1] each."""
    size = state.shape[0] if state.rank == 1 and state.dtype is _U64 else None
    if not isinstance(size, int) or size not in ((2,) if words == 2 else (2, 3)):
        site.invalid(f"a state of u64[2]{'' if words == 2 else ' or u64[3]'} is needed, got {state.type!r}")
    parts = [slice_(state, axes=(0,), starts=(at,), stops=(at + 1,), steps=(1,)) for at in range(size)]
    return parts[0], parts[1], parts[2:]


@raw.layer("STABLEHLO_RNG_BIT_GENERATOR")
def drawn_bits(site: Site, state: Value) -> tuple[Value, Value]:
    """The state behind the bits, and the bits, whose shape and type the file says; DEFAULT is PHILOX."""
    tensor = site.results[1] if len(site.results) > 1 else None
    if tensor is None:
        site.invalid("two results are needed")
    dtype = dtype_of(tensor)
    if dtype not in (DType.INT32, _U32, DType.INT64, _U64):
        site.invalid(f"bits as {dtype}")
    draw: Callable[[list[Value], list[Value]], list[Value]] = _philox
    words = 4
    if site.word("algorithm", "DEFAULT") == "THREEFRY":
        draw, words = _threefry, 2
    key, counter, rest = _state(site, state, words)
    count = element_count(tensor.shape, what="the bits") * dtype.bits // 32
    blocks = -(-count // words)
    numbers = elementwise.add(broadcast(counter, shape=(blocks,)), iota(shape=(blocks,), axis=0, dtype=_U64))
    second = broadcast(rest[0] if rest else key, shape=(blocks,))
    keys, low = _halves(broadcast(key, shape=(blocks,))), _halves(numbers)
    made = draw(keys, low if words == 2 else [*low, *_halves(second)])
    flat = reshape(concat(*(reshape(each, shape=(blocks, 1)) for each in made), axis=1), shape=(blocks * words,))
    flat = slice_(flat, axes=(0,), starts=(0,), stops=(count,), steps=(1,))
    if dtype.bits == 64:
        pairs = reshape(flat, shape=(count // 2, 2))
        flat = _joined(*(slice_(pairs, axes=(1,), starts=(at,), stops=(at + 1,), steps=(1,)) for at in (0, 1)))
    bits = reshape(flat, shape=tensor.shape)
    behind = concat(key, elementwise.add(counter, _like(counter, blocks)), *rest, axis=0)
    return behind, bits if bits.dtype is dtype else bit_cast(bits, dtype=dtype)
