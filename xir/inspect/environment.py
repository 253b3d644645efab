"""What this installation has: versions, extras, and a machine that can do the work."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

CORE = ("numpy", "protobuf", "onnx", "click", "rich", "ml_dtypes", "safetensors")
"""What xir cannot do without (pyproject.toml, `dependencies`)."""

EXTRAS: Mapping[str, tuple[str, str]] = {
    "ort": ("onnxruntime", "verify ONNX files by onnxruntime"),
    "litert": ("ai-edge-litert", "verify TFLite files by LiteRT"),
    "cpu": ("llvmlite", "compile models to machine code"),
    "hdf5": ("h5py", "read Caffe's .caffemodel.h5, read and write Keras"),
    "image": ("pillow", "feed pictures"),
}
"""{extra: (library, what it is for)} (pyproject.toml, `optional-dependencies`)."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library.

    Attributes:
        name: its name on the package index.
        version: the installed version, or None.
        purpose: what it is for.
        install: the line that installs it.
        required: whether xir cannot do without it.
    """

    name: str
    version: str | None
    purpose: str
    install: str
    required: bool

    def to_dict(self) -> dict[str, object]:
        """The library as plain data."""
        return {
            "name": self.name,
            "version": self.version,
            "purpose": self.purpose,
            "install": self.install,
            "required": self.required,
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        xir: xir's version.
        python: Python's version.
        platform: the system.
        processors: processors that this process may use.
        memory: bytes of memory, or None where the system does not tell.
        libraries: what is installed and what is missing.
        writable: {folder: whether it can be written} of the current folder and that of temporary files.
    """

    xir: str
    python: str
    platform: str
    processors: int
    memory: int | None
    libraries: tuple[Library, ...]
    writable: Mapping[str, bool]

    @property
    def missing(self) -> tuple[Library, ...]:
        """Libraries that xir cannot do without and that are not there."""
        return tuple(library for library in self.libraries if library.required and library.version is None)

    def to_dict(self) -> dict[str, object]:
        """The diagnosis as plain data, as `--json` prints it."""
        return {
            "version": 1,
            "xir": self.xir,
            "python": self.python,
            "platform": self.platform,
            "processors": self.processors,
            "memory": self.memory,
            "libraries": [library.to_dict() for library in self.libraries],
            "writable": dict(self.writable),
        }


def diagnose(own: str, folders: Sequence[str] = ()) -> Diagnosis:
    """Looks at the installation and the machine.

    Args:
        own: xir's version.
        folders: which must be writable; the current one and that of temporary files are always looked at.
    """
    libraries = [Library(name, _version(name), "always needed", f"pip install {name}", required=True) for name in CORE]
    libraries += [
        Library(name, _version(name), f"{purpose} (the extra {extra})", f"pip install {name}", required=False)
        for extra, (name, purpose) in EXTRAS.items()
    ]
    places = dict.fromkeys((os.getcwd(), tempfile.gettempdir(), *folders))
    return Diagnosis(
        own,
        platform.python_version(),
        platform.platform(),
        len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        _memory(),
        tuple(libraries),
        {place: _writable(place) for place in places},
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _writable(folder: str) -> bool:
    """Whether a file can be made in the folder, which only making one can tell."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
