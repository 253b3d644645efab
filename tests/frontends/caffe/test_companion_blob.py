"""Blobs that a model names: errors about the name are the model's, errors about the file are the file's."""

from __future__ import annotations

from pathlib import Path

import pytest

from xir.errors import FileError, FormatError, UnsafeError
from xir.frontends.caffe.companion_blob import blob_beneath


@pytest.mark.parametrize("folder", ["", "models/"])
@pytest.mark.parametrize("name", ["/etc/mean.binaryproto", "../mean.binaryproto"])
def test_a_name_that_leaves_the_folder_is_a_fault_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeError) as caught:
        blob_beneath(f"{folder}net.prototxt", name)
    assert caught.value.source.file == f"{folder}net.prototxt"


def test_a_link_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(UnsafeError) as caught:
        blob_beneath(str(tmp_path / "net.prototxt"), "link")
    assert caught.value.source.file == str(tmp_path / "link")


def test_a_missing_file_is_named_itself(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        blob_beneath(str(tmp_path / "net.prototxt"), "mean.binaryproto")
    assert caught.value.source.file == str(tmp_path / "mean.binaryproto")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mean.binaryproto").write_text("layer { }")
    with pytest.raises(FormatError):
        blob_beneath(str(tmp_path / "net.prototxt"), "mean.binaryproto")
