"""Bundles that are written, as our own reader takes them: what TensorFlow wrote it reads too."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from xir.backends.export.tensorflow._bundle import ALIGNMENT, BLOCK_BYTES, file_names, write_bundle
from xir.files import atomic_group, open_mapped
from xir.frontends.tensorflow.bundle.checkpoint import Checkpoint, open_checkpoint
from xir.ir.constant import Array, constant_of


def written(arrays: dict[str, Array], folder: Path) -> Checkpoint:
    """Writes a bundle and opens it."""
    data, index = file_names("net")
    with atomic_group(folder / index) as group:
        elements = group.data()
        group.name(elements, data)
        write_bundle({name: constant_of(array) for name, array in arrays.items()}, elements, group.model)
    return open_checkpoint(open_mapped(folder / index))


NUMBERS = np.arange(24)
ARRAYS: dict[str, Array] = {
    "b": NUMBERS.astype(np.float32).reshape(2, 3, 4),
    "a/moved": NUMBERS.astype(np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "half": NUMBERS.astype(np.float16),
    "brain": NUMBERS.astype(ml_dtypes.bfloat16),
    "whole": NUMBERS.astype(np.int8).reshape(24, 1),
    "said": NUMBERS % 3 == 0,
    "empty": np.zeros((0, 3), np.float64),
    "one": np.asarray(7, np.int64),
}


@pytest.mark.parametrize("name", list(ARRAYS))
def test_elements_come_back(name: str, tmp_path: Path) -> None:
    held = written(ARRAYS, tmp_path).constant(name).array()
    assert held.dtype == ARRAYS[name].dtype
    np.testing.assert_array_equal(held, ARRAYS[name])


def test_more_than_one_piece_has_one_checksum(tmp_path: Path) -> None:
    """Elements go through in pieces of 1 MiB, those that lie apart as well."""
    wide = np.random.default_rng(1).standard_normal((700, 800)).astype(np.float32)
    found = written({"wide": wide, "turned": wide.T}, tmp_path)
    np.testing.assert_array_equal(found.constant("wide").array(), wide)
    np.testing.assert_array_equal(found.constant("turned").array(), wide.T)


def test_an_index_of_many_blocks(tmp_path: Path) -> None:
    arrays: dict[str, Array] = {f"layer_{place}/kernel": np.full(3, place, np.float32) for place in range(500)}
    found = written(arrays, tmp_path)
    assert (tmp_path / "net.index").stat().st_size > 4 * BLOCK_BYTES
    assert sorted(found.names) == sorted(arrays)
    np.testing.assert_array_equal(found.constant("layer_77/kernel").array(), arrays["layer_77/kernel"])
    assert (tmp_path / "net.data-00000-of-00001").stat().st_size == 499 * ALIGNMENT + 12


def test_nothing_is_a_bundle_too(tmp_path: Path) -> None:
    assert not written({}, tmp_path).names
