"""Which prototxt is taken for a caffemodel."""

from __future__ import annotations

from pathlib import Path

import pytest

from xir.errors import FileError
from xir.frontends.caffe.companion import find_prototxt


@pytest.mark.parametrize(
    ("weights", "others", "chosen", "why"),
    [
        ("a.caffemodel", ["a.prototxt", "deploy.prototxt"], "a.prototxt", "same stem"),
        ("a.caffemodel", ["b.prototxt", "deploy.prototxt"], "deploy.prototxt", "deploy.prototxt"),
        ("a.caffemodel.h5", ["a.prototxt"], "a.prototxt", "same stem"),
        ("a.caffemodel", ["a_deploy.prototxt", "a.txt"], "a_deploy.prototxt", "same stem"),
        ("a.caffemodel", ["a.pbtxt"], "a.pbtxt", "same stem"),
        ("a_iter_10.caffemodel", ["a.prototxt", "b.prototxt"], None, "none"),
        ("a", ["a.prototxt"], "a.prototxt", "same stem"),
        ("a.caffemodel", [], None, "none"),
    ],
)
def test_find_prototxt(tmp_path: Path, weights: str, others: list[str], chosen: str | None, why: str) -> None:
    for name in (weights, *others):
        (tmp_path / name).touch()
    found = find_prototxt(tmp_path / weights)
    assert (found.path, found.why) == (str(tmp_path / chosen) if chosen else None, why)
    assert found.candidates == tuple(sorted(str(tmp_path / name) for name in others if name != "a.txt"))


def test_find_prototxt_skips_folders(tmp_path: Path) -> None:
    (tmp_path / "a.prototxt").mkdir()
    assert find_prototxt(tmp_path / "a.caffemodel").path is None


def test_find_prototxt_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.prototxt").touch()
    monkeypatch.chdir(tmp_path)
    assert find_prototxt("a.caffemodel").path == "a.prototxt"


def test_find_prototxt_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        find_prototxt(tmp_path / "none" / "a.caffemodel")
