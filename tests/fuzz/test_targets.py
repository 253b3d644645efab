"""A deterministic loop of mutations through every fuzz target; the long one is for `make nightly`."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from tests.fuzz.targets import TARGETS, load
from tests.hostile.mutate import flips, splices, tokens, truncations


def rounds(target: str, count: int, seed: int) -> None:
    """Loads `count` files, each a mutation of a mutation, now and then of the right one again."""
    right = TARGETS[target].right()
    draw = random.Random(seed)
    data = right
    for _ in range(count):
        if not data or draw.random() < 0.2:
            data = right
        mutations = [flips, splices] + ([tokens] if target in ("prototxt", "xir") else [])
        _, data = next(chain(draw.choice(mutations)(data, 1, draw.randrange(1 << 30)), truncations(data, 1, 0)))
        load(TARGETS[target], data)


@pytest.mark.parametrize("target", TARGETS)
def test_mutations_of_mutations_load_or_are_refused(target: str) -> None:
    rounds(target, 100, 1)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("target", TARGETS)
def test_many_mutations_of_mutations_load_or_are_refused(target: str, seed: int) -> None:
    rounds(target, 20_000, seed)
