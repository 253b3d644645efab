"""Suites and runtimes by name: entry points, and those that stand here for when nothing is installed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, cast

from xir.errors import MissingExtraError, UsageError
from xir_conformance.runtimes import Runtime
from xir_conformance.suites import Suite

RUNTIMES: Final[Mapping[str, str]] = {
    "xir": "xir_conformance.runtimes.own:Reference",
    "xir-roundtrip": "xir_conformance.runtimes.own:RoundTrip",
    "xir-cpu": "xir_conformance.runtimes.compiled:Compiled",
    "xir-ort": "xir_conformance.runtimes.ort:ExportedForOnnxRuntime",
    "onnxruntime": "xir_conformance.runtimes.ort:OnnxRuntime",
    "onnx-reference": "xir_conformance.runtimes.onnx_reference:OnnxReference",
}
"""{name: module:callable} of the runtimes that stand here, as pyproject.toml names them."""

SUITES: Final[Mapping[str, str]] = {"onnx": "xir_conformance.onnx_suite:onnx_suite"}
"""{name: module:callable} of the suites that stand here, as pyproject.toml names them."""

RUNTIME_GROUP: Final = "xir.conformance.runtimes"
SUITE_GROUP: Final = "xir.conformance.suites"


def available(group: str, built_in: Mapping[str, str]) -> dict[str, str]:
    """{name: module:callable} of everything installed; what stands here keeps its name.

    Raises:
        UsageError: two plug-ins have one name.
    """
    found = dict(built_in)
    for point in sorted(entry_points(group=group), key=lambda each: (each.name, each.value)):
        held = found.setdefault(point.name, point.value)
        if held != point.value:
            raise UsageError(f"two plug-ins are called {point.name!r}: {held} and {point.value}")
    return found


def runtime_named(name: str) -> Runtime:
    """The runtime of that name, made.

    Raises:
        UsageError: there is none, or it is no runtime.
        MissingExtraError: a library that it needs is not installed.
    """
    made = _loaded(name, available(RUNTIME_GROUP, RUNTIMES), "runtime")()
    if not isinstance(made, Runtime):
        raise UsageError(f"plug-in {name!r} makes no Runtime but {type(made).__name__}")
    return made


def suite_named(name: str) -> Suite:
    """The suite of that name, or the one in a folder: names with a slash are folders.

    Raises:
        UsageError: there is none, or it is no suite.
        MissingExtraError: a library that it needs is not installed.
    """
    if os.sep in name:
        from xir_conformance.suites import folder_suite

        return folder_suite(name)
    made = _loaded(name, available(SUITE_GROUP, SUITES), "suite")()
    if not isinstance(made, Suite):
        raise UsageError(f"plug-in {name!r} makes no Suite but {type(made).__name__}")
    return made


def check_runtimes(names: tuple[str, ...]) -> None:
    """Refuses names that no runtime has.

    Raises:
        UsageError: with the names that there are.
    """
    known = available(RUNTIME_GROUP, RUNTIMES)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no runtime {name!r}", hint=f"there are {', '.join(known)}")


def _loaded(name: str, known: Mapping[str, str], what: str) -> Callable[[], object]:
    if name not in known:
        raise UsageError(f"there is no {what} {name!r}", hint=f"there are {', '.join(known)}")
    module, _, attribute = known[name].partition(":")
    try:
        return cast("Callable[[], object]", getattr(import_module(module), attribute))
    except ModuleNotFoundError as error:
        hint = "pip install 'onnx>=1.23'" if error.name == "onnx" else f"pip install {error.name}"
        raise MissingExtraError(f"{what} {name!r} needs {error.name}, which is not installed", hint=hint) from error
