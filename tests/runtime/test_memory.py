"""The plan of temporary memory."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

import xir
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.elementwise import add
from xir.ops.shape import transpose
from xir.runtime.executable import planned_bytes
from xir.runtime.memory import ALIGNMENT, Life, plan

LIVES = st.dictionaries(
    st.integers(0, 40),
    st.builds(
        lambda size, first, length: Life(size, first, first + length),
        st.integers(0, 1000),
        st.integers(0, 20),
        st.integers(0, 5),
    ),
    max_size=25,
)


@given(LIVES)
def test_what_lives_at_the_same_time_does_not_overlap(lives: dict[int, Life]) -> None:
    made = plan(lives)
    for a, b in combinations(sorted(lives), 2):
        if lives[a].first <= lives[b].last and lives[b].first <= lives[a].last:
            first, second = sorted((a, b), key=lambda slot: made.offsets[slot])
            assert made.offsets[first] + lives[first].bytes <= made.offsets[second]


@given(LIVES)
def test_every_place_is_aligned_and_inside(lives: dict[int, Life]) -> None:
    made = plan(lives)
    assert made.offsets.keys() == lives.keys()
    for slot, offset in made.offsets.items():
        assert offset % ALIGNMENT == 0
        assert offset + lives[slot].bytes <= made.bytes


def test_a_chain_needs_two_places() -> None:
    lives = {slot: Life(64, slot, slot + 1) for slot in range(50)}
    assert plan(lives).bytes == 128


def test_a_compiled_chain_uses_its_memory_again() -> None:
    x = Value(TensorType(DType.FLOAT32, (64, 64)))
    value = x
    for _ in range(20):  # sums of a matrix and its transpose do not fuse into one kernel
        value = add(value, transpose(value, perm=(1, 0)))
    executable = xir.compile(Graph("g", (x,), (value,), names={x: "x"}), threads=1)
    assert 0 < planned_bytes(executable) <= 3 * 64 * 64 * 4
