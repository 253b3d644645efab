"""What the figures were measured on: the machine in one line, and the versions of what is compared."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

COMPARED = ("numpy", "onnxruntime", "openvino", "torch", "opencv-python-headless")
"""Distributions whose versions belong to the figures."""


def machine() -> dict[str, object]:
    """The processor, its cores that this process may use, memory in GiB, system and versions."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / (1 << 30):.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version for name in COMPARED if (version := _version(name))},
    }


def sentence(known: dict[str, object]) -> str:
    """The machine in one line."""
    versions = known["versions"]
    held = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, dict) else ""
    return (
        f"{known['processor']}, {known['cores']} cores, {known['memory']}, {known['system']}, "
        f"Python {known['python']}" + (f", {held}" if held else "")
    )


def processor() -> str:
    """The processor's name as the kernel gives it (proc(5), /proc/cpuinfo)."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(named, platform.machine())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
