"""A deterministic loop of mutations through every fuzz target, and atheris on each; the long ones are for the night."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import warnings
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, Target, lay_out, load
from tests.hostile.mutate import flips, splices, tokens, truncations
from xir.ir.graph import Graph

REPOSITORY = Path(__file__).resolve().parent.parent.parent

RUNS = 50_000
"""Inputs that atheris tries for each target: some minutes."""

HANG_SECONDS = 30
"""Far above the promise of 2 s, for the target is instrumented and the machine may be busy."""


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


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_what_atheris_starts_from_loads_or_is_refused(target: Target, tmp_path: Path) -> None:
    corpus, dictionary = tmp_path / "corpus", tmp_path / "words"
    corpus.mkdir()
    lay_out(target, corpus, dictionary)
    assert len(dictionary.read_text().splitlines()) > 100
    for path in sorted(corpus.iterdir()):
        load(target, path.read_bytes())


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_the_right_file_of_a_target_is_right(target: Target, tmp_path: Path) -> None:
    """A target whose first file is refused would never get past the first lines of its frontend."""
    for name, content in target.beside().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / target.name).write_bytes(target.right())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = target.read(str(tmp_path / target.name))
    assert made.nodes if isinstance(made, Graph) else made.tensors


@pytest.mark.nightly
@pytest.mark.parametrize("target", TARGETS)
def test_atheris_finds_nothing(target: str, tmp_path: Path) -> None:
    """Guided by what the inputs reach; the input that breaks something is named, and its bytes are told in base64."""
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install atheris")
    options = (
        f"-runs={RUNS}",
        f"-timeout={HANG_SECONDS}",
        "-seed=1",
        f"-artifact_prefix={tmp_path}/",
        "-print_final_stats=1",
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.targets", target, *options],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    assert f"Done {RUNS} runs" in done.stderr, done.stderr[-2000:]
