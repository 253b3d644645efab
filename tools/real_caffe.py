"""Makes an environment with the real Caffe 1.0.0, against which some tests compare, where Python 3.8 is found.

usage: real_caffe.py FOLDER

The package kendryte-caffe==1.0.0.20210829 exists for Python 3.8 alone. Where no Python 3.8 is found, or the package
cannot be had, that is said aloud, the exit status is 0, and those tests skip and say so. Standard library only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PINS = ("kendryte-caffe==1.0.0.20210829", "protobuf==3.20.3")
STAMP = ".xir-stamp"


def candidates() -> Iterator[str]:
    """Interpreters that may be a Python 3.8: on the path, then those that pyenv keeps."""
    found = shutil.which("python3.8")
    if found is not None:
        yield found
    yield from (str(path) for path in sorted((Path.home() / ".pyenv" / "versions").glob("3.8.*/bin/python3.8")))


def is_python38(interpreter: str) -> bool:
    """Whether the interpreter runs and is a Python 3.8; a shim on the path may be neither."""
    code = "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 8))"
    try:
        return subprocess.run([interpreter, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make(interpreter: str, folder: Path) -> None:
    """Makes the environment afresh."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([interpreter, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS]
    subprocess.run(pip, check=True, stderr=subprocess.PIPE)
    subprocess.run([str(folder / "bin" / "python"), "-c", "import caffe"], check=True, stderr=subprocess.PIPE)
    (folder / STAMP).write_text("\n".join(PINS))


def main(arguments: list[str]) -> int:
    """Makes the environment if it can be made, and says so if it cannot."""
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    folder = Path(arguments[0])
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text() == "\n".join(PINS):
        return 0
    interpreter = next((found for found in candidates() if is_python38(found)), None)
    if interpreter is None:
        sys.stdout.write("no Python 3.8 here: the tests against the real Caffe will skip\n")
        return 0
    try:
        make(interpreter, folder)
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.write(f"the real Caffe cannot be had ({error}): the tests against it will skip\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
