"""Hashes of bytes to 64 bits, as TensorFlow takes them, with whole numbers of Python.

FarmHash's Fingerprint64 (github.com/google/farmhash, src/farmhash.cc, namespace farmhashna), SipHash-2-4
(J.-P. Aumasson, D. Bernstein, 'SipHash: a fast short-input PRF', 2012), and MurmurHash64A with TensorFlow's seed
(tsl/platform/hash.cc).
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F

_SIP_BEGIN = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
"""What SipHash begins with ('somepseudorandomlygeneratedbytes')."""

_MURMUR, _MURMUR_SEED = 0xC6A4A7935BD1E995, 0xDECAFCAFFE


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _turned(x: int, bits: int) -> int:
    """64 bits, turned to the right."""
    return (x >> bits | x << 64 - bits) & _MASK


def _mixed(x: int) -> int:
    return x ^ x >> 47


def _joined(u: int, v: int, factor: int) -> int:
    """farmhashna: HashLen16."""
    a = _mixed((u ^ v) * factor & _MASK)
    return _mixed((v ^ a) * factor & _MASK) * factor & _MASK


def fingerprint(data: bytes) -> int:
    """FarmHash's Fingerprint64."""
    size = len(data)
    if size <= 16:
        return _up_to_16(data, size)
    if size <= 32:
        return _up_to_32(data, size)
    return _up_to_64(data, size) if size <= 64 else _longer(data, size)


def _up_to_16(data: bytes, size: int) -> int:
    factor = _K2 + size * 2
    if size >= 8:
        a, b = _word(data, 0) + _K2 & _MASK, _word(data, size - 8)
        c = _turned(b, 37) * factor + a & _MASK
        return _joined(c, (_turned(a, 25) + b) * factor & _MASK, factor)
    if size >= 4:
        return _joined(size + (_word(data, 0, 4) << 3), _word(data, size - 4, 4), factor)
    if not size:
        return _K2
    y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
    return _mixed((y * _K2 ^ z * _K0) & _MASK) * _K2 & _MASK


def _ends(data: bytes, size: int, factor: int) -> tuple[int, int, int, int]:
    """(the first two words, the last two), the outer ones multiplied."""
    first, last = _word(data, 0), _word(data, size - 8)
    return first, _word(data, 8), last * factor & _MASK, _word(data, size - 16) * _K2 & _MASK


def _up_to_32(data: bytes, size: int) -> int:
    factor = _K2 + size * 2
    a, b, c, d = _ends(data, size, factor)
    a = a * _K1 & _MASK
    first = _turned(a + b & _MASK, 43) + _turned(c, 30) + d
    return _joined(first & _MASK, a + _turned(b + _K2 & _MASK, 18) + c & _MASK, factor)


def _up_to_64(data: bytes, size: int) -> int:
    factor = _K2 + size * 2
    a, b, c, d = _ends(data, size, factor)
    a = a * _K2 & _MASK
    y = _turned(a + b & _MASK, 43) + _turned(c, 30) + d & _MASK
    z = _joined(y, a + _turned(b + _K2 & _MASK, 18) + c & _MASK, factor)
    e, f = _word(data, 16) * factor & _MASK, _word(data, 24)
    g = (y + _word(data, size - 32)) * factor & _MASK
    h = (z + _word(data, size - 24)) * factor & _MASK
    first = _turned(e + f & _MASK, 43) + _turned(g, 30) + h
    return _joined(first & _MASK, e + _turned(f + a & _MASK, 18) + g & _MASK, factor)


def _seeded(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """farmhashna: WeakHashLen32WithSeeds."""
    w, x, y, z = (_word(data, at + 8 * place) for place in range(4))
    a = a + w & _MASK
    b, c = _turned(b + a + z & _MASK, 21), a
    a = a + x + y & _MASK
    return a + z & _MASK, b + _turned(a, 44) + c & _MASK


def _longer(data: bytes, size: int) -> int:
    y = 81 * _K1 + 113 & _MASK
    z = _mixed(y * _K2 + 113 & _MASK) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = 81 * _K2 + _word(data, 0) & _MASK
    for at in range(0, (size - 1) // 64 * 64, 64):
        x = _turned(x + y + v[0] + _word(data, at + 8) & _MASK, 37) * _K1 & _MASK
        y = _turned(y + v[1] + _word(data, at + 48) & _MASK, 42) * _K1 & _MASK
        x, y = x ^ w[1], y + v[0] + _word(data, at + 40) & _MASK
        z = _turned(z + w[0] & _MASK, 33) * _K1 & _MASK
        v = _seeded(data, at, v[1] * _K1 & _MASK, x + w[0] & _MASK)
        w = _seeded(data, at + 32, z + w[1] & _MASK, y + _word(data, at + 16) & _MASK)
        x, z = z, x
    factor, at = _K1 + ((z & 0xFF) << 1), size - 64
    first = w[0] + (size - 1 & 63) & _MASK
    v = (v[0] + first & _MASK, v[1])
    w = (first + v[0] & _MASK, w[1])
    x = _turned(x + y + v[0] + _word(data, at + 8) & _MASK, 37) * factor & _MASK
    y = _turned(y + v[1] + _word(data, at + 48) & _MASK, 42) * factor & _MASK
    x, y = x ^ w[1] * 9 & _MASK, y + v[0] * 9 + _word(data, at + 40) & _MASK
    z = _turned(z + w[0] & _MASK, 33) * factor & _MASK
    v = _seeded(data, at, v[1] * factor & _MASK, x + w[0] & _MASK)
    w = _seeded(data, at + 32, z + w[1] & _MASK, y + _word(data, at + 16) & _MASK)
    x, z = z, x
    first = _joined(v[0], w[0], factor) + _mixed(y) * _K0 + z
    return _joined(first & _MASK, _joined(v[1], w[1], factor) + x & _MASK, factor)


def sip(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 with a key of two words."""
    low, high = (each & _MASK for each in key)
    v = [begin ^ each for begin, each in zip(_SIP_BEGIN, (low, high, low, high), strict=True)]
    whole = len(data) // 8 * 8
    rest = data[whole:].ljust(7, b"\0") + bytes((len(data) & 0xFF,))
    for at in range(0, whole + 8, 8):
        word = _word(data, at) if at < whole else _word(rest, 0)
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    a, b, c, d = v
    for _ in range(count):
        a, c = a + b & _MASK, c + d & _MASK
        b, d = _turned(b, 51) ^ a, _turned(d, 48) ^ c
        a, c = _turned(a, 32) + d & _MASK, c + b & _MASK
        b, d = _turned(b, 47) ^ c, _turned(d, 43) ^ a
        c = _turned(c, 32)
    v[:] = a, b, c, d


def murmur(data: bytes) -> int:
    """MurmurHash64A with TensorFlow's seed."""
    h = (_MURMUR_SEED ^ len(data) * _MURMUR) & _MASK
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        k = _word(data, at) * _MURMUR & _MASK
        h = (h ^ _mixed(k) * _MURMUR & _MASK) * _MURMUR & _MASK
    if len(data) > whole:
        h = (h ^ _word(data, whole)) * _MURMUR & _MASK
    return _mixed(_mixed(h) * _MURMUR & _MASK)
