"""Makes a virtual environment with xir in it, and does nothing when it is there already.

usage: environment.py FOLDER [--editable] [--extras NAME,NAME]

Standard library only: it runs before anything is installed. The environment is keyed on Python's version, the extras,
this checkout's path and `pyproject.toml` (and on every source file where the install is not editable); a stamp inside
it is written last, so an interrupted run is done again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("xir", "cli")


def fingerprint(extras: str, editable: bool) -> str:
    """What the environment depends on, as a hash in hexadecimal."""
    digest = hashlib.sha256(f"{sys.version}\n{ROOT}\n{extras}\n{editable}\n".encode())
    files = [ROOT / "pyproject.toml"]
    if not editable:
        found = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.is_file()]
        files += sorted(path for path in found if "__pycache__" not in path.parts)
    for path in files:
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def missing() -> str | None:
    """What this machine lacks to make an environment, in words, or None."""
    found = f"{sys.version_info.major}.{sys.version_info.minor}"
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python must reach this line to be told
        return f"xir needs Python 3.11 or newer, and {sys.executable} is {found}: make PYTHON=python3.12"
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return (
            f"Python {found} comes without venv and ensurepip: install them "
            f"(Debian, Ubuntu: apt-get install python{found}-venv)"
        )
    return None


def make(folder: Path, extras: str, editable: bool) -> None:
    """Makes the environment afresh in `folder` and installs xir with `extras` into it."""
    stamp = folder / ".xir-stamp"
    key = fingerprint(extras, editable)
    if stamp.is_file() and stamp.read_text() == key:
        return
    sys.stdout.write(f"making {folder.name} (a minute or two the first time)\n")
    sys.stdout.flush()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools would install files that are gone
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    target = f"{ROOT}[{extras}]" if extras else str(ROOT)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *(["--editable"] if editable else []), target], check=True, cwd=ROOT)
    stamp.write_text(key)


def main() -> int:
    """Reads the command line and makes the environment; 1 where it cannot."""
    parser = argparse.ArgumentParser(description="makes a virtual environment with xir in it")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extras", default="")
    parser.add_argument("--editable", action="store_true")
    options = parser.parse_args()
    lack = missing()
    if lack is not None:
        sys.stderr.write(f"error: {lack}\n")
        return 1
    try:
        make(options.folder.resolve(), options.extras, options.editable)
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"error: making {options.folder} failed: {' '.join(map(str, error.cmd))}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
