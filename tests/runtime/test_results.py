"""Large results lie in memory that earlier ones have left."""

from __future__ import annotations

import numpy as np
import pytest

from xir.runtime.memory import ALIGNMENT
from xir.runtime.results import LARGE, Spare, result

F32 = np.dtype(np.float32)
COUNT = LARGE // F32.itemsize


def test_memory_that_nobody_shows_is_used_again() -> None:
    spare: Spare = {}
    first = result((2, COUNT), F32, spare, 5)
    place = first.ctypes.data
    assert place % ALIGNMENT == 0
    assert first.shape == (2, COUNT)
    assert not spare
    del first
    assert set(spare) == {5}
    assert result((2, COUNT), F32, spare, 5).ctypes.data == place


def test_memory_that_somebody_shows_stays_theirs() -> None:
    spare: Spare = {}
    first = result((COUNT,), F32, spare, 0)
    first[:] = 1
    part = first[3:9].reshape(2, 3)
    del first
    second = result((COUNT,), F32, spare, 0)
    second[:] = 2
    assert (part == 1).all()


@pytest.mark.parametrize("count", [COUNT + 1, 2 * COUNT])
def test_memory_of_another_size_is_not_used(count: int) -> None:
    spare: Spare = {}
    result((COUNT,), F32, spare, 0)
    made = result((count,), F32, spare, 0)
    made[:] = 3
    assert made.size == count
    assert not spare


def test_small_results_are_arrays_of_their_own() -> None:
    spare: Spare = {}
    assert result((3,), F32, spare, 0).base is None
    assert not spare
