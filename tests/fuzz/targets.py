"""What is fuzzed: one function a frontend, from bytes to nothing; only `XirError` may come out of it.

`python -m tests.fuzz.targets FRONTEND [CORPUS...]` runs a target under atheris, where that is installed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.hostile.caffe_files import SMALL, small_caffemodel
from tests.hostile.onnx_files import small_model
from tests.hostile.xir_files import small_xir
from xir.errors import XirError
from xir.frontends.load import load_model


def load(name: str, data: bytes) -> None:
    """Loads a file of these bytes.

    Raises:
        Exception: everything that is no `XirError`; that is what is looked for.
    """
    with tempfile.TemporaryDirectory(prefix="xir-fuzz-", dir=memory_folder()) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            load_model(str(path))
        except XirError:
            return


def memory_folder() -> str | None:
    """A folder in memory where there is one: thousands of files a second are written."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


TARGETS: Mapping[str, tuple[str, Callable[[], bytes]]] = {
    "caffemodel": ("m.caffemodel", small_caffemodel),
    "prototxt": ("m.prototxt", lambda: SMALL),
    "onnx": ("m.onnx", lambda: small_model().SerializeToString()),
    "xir": ("m.xir", lambda: small_xir()[0]),
}
"""Frontend -> (the name of its files, a right one to start from)."""


def main(arguments: list[str]) -> None:
    """Runs one target under atheris until it is stopped, or finds something."""
    import atheris

    name, seed = TARGETS[arguments[1]]
    with tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "seed").write_bytes(seed())
        atheris.instrument_all()
        atheris.Setup([arguments[0], corpus, *arguments[2:]], lambda data: load(name, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
