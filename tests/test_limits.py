"""Resource limits: what a hostile file may declare before xir says no."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xir import limits
from xir.errors import InvalidModelError, UnsafeError
from xir.limits import ArchiveMember


@pytest.mark.parametrize(
    ("shape", "count"),
    [((), 1), ((3,), 3), ((2, 3, 4), 24), ((0,), 0), ((5, 0, 7), 0), (((1 << 63) - 1,), (1 << 63) - 1), ([1] * 64, 1)],
)
def test_element_count(shape, count):
    assert limits.element_count(shape) == count


def test_element_count_takes_numpy_integers_without_wrapping():
    assert limits.element_count([np.int32(1 << 20)] * 3) == 1 << 60


@given(st.lists(st.integers(0, 50), max_size=8))
def test_element_count_is_the_product(shape):
    assert limits.element_count(shape) == int(np.prod([int(size) for size in shape], dtype=object))


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ((-1,), InvalidModelError),
        ((4, -(1 << 40)), InvalidModelError),
        ((2.0,), InvalidModelError),
        ((None,), InvalidModelError),
        (("3",), InvalidModelError),
        ((1 << 63,), UnsafeError),
        ((1 << 32, 1 << 32), UnsafeError),
        ((0, 1 << 40, 1 << 40), UnsafeError),
        ((1,) * 65, UnsafeError),
    ],
)
def test_element_count_refuses(shape, error):
    with pytest.raises(error) as caught:
        limits.element_count(shape, what="blob 0", file="a.caffemodel")
    assert "blob 0" in caught.value.message
    assert caught.value.source.file == "a.caffemodel"


@pytest.mark.parametrize(("shape", "bits", "size"), [((3,), 32, 12), ((3,), 4, 2), ((), 64, 8), ((0,), 16, 0)])
def test_byte_count(shape, bits, size):
    assert limits.byte_count(shape, bits) == size


def test_byte_count_refuses_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="item_bits"):
        limits.byte_count((1,), 0)


@pytest.mark.parametrize(("declared", "present"), [(0, 0), (4, 4), (4, 9)])
def test_enough_bytes_pass(declared, present):
    limits.check_present(declared, present)


@pytest.mark.parametrize(("declared", "present"), [(-1, 0), (5, 4), (1 << 62, 0), (1, -3)])
def test_missing_bytes_are_refused(declared, present):
    with pytest.raises(InvalidModelError, match="bytes"):
        limits.check_present(declared, present)


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (10, 0), (3, 4)])
def test_ranges_inside_pass(offset, length):
    limits.check_range(offset, length, 10)


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (1, -2), (0, 11), (11, 0), (1 << 70, 1)])
def test_ranges_outside_are_refused(offset, length):
    with pytest.raises(InvalidModelError, match="inside 10 bytes"):
        limits.check_range(offset, length, 10)


@pytest.mark.parametrize(
    ("check", "limit"),
    [
        (limits.check_nesting, limits.MAX_NESTING),
        (limits.check_inlined, limits.MAX_INLINED_NODES),
        (lambda size: limits.check_size(size, 7), 7),
        (lambda size: limits.check_name("n" * size), limits.MAX_NAME_BYTES),
        (lambda size: limits.check_name("ü" * (size - size // 2)), limits.MAX_NAME_BYTES),
    ],
)
def test_limits_hold_exactly(check, limit):
    check(limit)
    with pytest.raises(UnsafeError):
        check(limit + 1)


def test_the_promised_numbers():
    assert (limits.MAX_NESTING, limits.MAX_FOLDED_BYTES, limits.MAX_INLINED_NODES) == (100, 64 << 20, 1_000_000)


@pytest.mark.parametrize(
    ("held", "limit"),
    [
        (0, limits.FREE_INLINED_NODES),
        (limits.FREE_INLINED_NODES // limits.MAX_INLINED_RATIO, limits.FREE_INLINED_NODES),
        (20_000, 200_000),
        (1 << 40, limits.MAX_INLINED_NODES),
    ],
)
def test_what_inlining_may_make_depends_on_what_the_file_holds(held, limit):
    assert limits.inlining_limit(held) == limit


def test_archives_pass():
    limits.check_archive([ArchiveMember("weights", 1000, 1100), ArchiveMember("zeros", 1, limits.FREE_ARCHIVE_BYTES)])


_LARGE = limits.FREE_ARCHIVE_BYTES + 1


@pytest.mark.parametrize(
    ("members", "error", "words"),
    [
        ([ArchiveMember("a", 1, 1), ArchiveMember("a", 1, 1)], InvalidModelError, "called 'a'"),
        ([ArchiveMember("a", -1, 1)], InvalidModelError, "negative"),
        ([ArchiveMember("a", 1, -1)], InvalidModelError, "negative"),
        ([ArchiveMember("a", _LARGE // 300, _LARGE)], UnsafeError, "unpacks from"),
        ([ArchiveMember(str(i), 1 << 35, (1 << 35) + 1) for i in range(2)], UnsafeError, "unpacks to more"),
        ([ArchiveMember(str(i), 0, 0) for i in range(limits.MAX_ARCHIVE_MEMBERS + 1)], UnsafeError, "members"),
    ],
)
def test_archives_refused(members, error, words):
    with pytest.raises(error, match=words):
        limits.check_archive(members)
