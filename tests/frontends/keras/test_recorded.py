"""Files that Keras wrote: what xir makes of them against what Keras computed (tests/frontends/keras/record.py)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xir

pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")

HERE = Path(__file__).parent
SUFFIXES = {2: ".h5", 3: ".keras", "3_h5": ".h5"}
RECORDED = {generation: np.load(HERE / f"recorded{generation}.npz") for generation in SUFFIXES}
ROUNDED = {"mixed_float16": 2e-3, "mixed_bfloat16": 16e-3}
"""How far results may be where steps round to 11 or 8 bits: a few of them for numbers near 1."""
NAMES = [
    (generation, key.removesuffix("/file"))
    for generation, held in RECORDED.items()
    for key in held.files
    if key.endswith("/file")
]


def arrays(held: Any, name: Any, letter: Any) -> Any:
    """The recorded arrays x0, x1, ... or y0, y1, ..."""
    found: list[Any] = []
    while f"{name}/{letter}{len(found)}" in held.files:
        array = held[f"{name}/{letter}{len(found)}"]
        found.append(array.astype(object) if array.dtype.kind == "U" else array)
    return found


def loaded(generation: Any, name: str, folder: Path) -> Any:
    """The graph of a case, what it is fed and what Keras computed."""
    held = RECORDED[generation]
    path = folder / f"model{SUFFIXES[generation]}"
    path.write_bytes(held[f"{name}/file"].tobytes())
    graph = xir.load(path)
    feeds = dict(zip(graph.input_names, arrays(held, name, "x"), strict=True))
    return graph, feeds, arrays(held, name, "y")


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for generation, name in NAMES if generation == 3])
def test_compiled_they_give_the_same(name: str, tmp_path: Path) -> None:
    pytest.importorskip("llvmlite")
    graph, feeds, expected = loaded(3, name, tmp_path)
    results: Any = xir.compile(xir.optimize(graph))(*feeds.values())
    for found, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=ROUNDED.get(name, 1e-4))


@pytest.mark.parametrize(("generation", "name"), NAMES, ids=[f"{name}-{generation}" for generation, name in NAMES])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_results_are_those_of_keras(generation: int, name: str, tmp_path: Path) -> None:
    graph, feeds, expected = loaded(generation, name, tmp_path)
    results: Any = xir.run(graph, feeds)
    assert len(expected) == len(graph.output_names)
    for output, wanted in zip(graph.output_names, expected, strict=True):
        assert results[output].shape == wanted.shape
        np.testing.assert_allclose(results[output], wanted, rtol=1e-4, atol=ROUNDED.get(name, 1e-5))
