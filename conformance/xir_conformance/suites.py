"""Suites: named lists of cases, found through the entry points `xir.conformance.suites`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from xir.errors import FileError
from xir_conformance.cases import MODEL, Case, read_case


@dataclass(frozen=True, slots=True)
class Suite:
    """A list of cases.

    Attributes:
        name: of the suite.
        version: of what it was made from.
        cases: in their order.
        known: {(runtime, case): why the case does not pass there}.
    """

    name: str
    version: str
    cases: tuple[Case, ...]
    known: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])


def folder_suite(path: str) -> Suite:
    """The cases in a folder and the folders below it, in ONNX's layout (see `xir_conformance.cases`).

    Raises:
        FileError: there is no such folder, or no case in it.
    """
    cases: list[Case] = []
    for folder, below, files in os.walk(path):
        below.sort()
        if MODEL in files:
            name = os.path.relpath(folder, path)
            cases.append(read_case(name, os.path.dirname(name) or ".", folder))
            below.clear()
    if not cases:
        raise FileError(f"no folder here holds a {MODEL}", file=path, hint="name a folder of cases in ONNX's layout")
    return Suite(os.path.basename(os.path.abspath(path)), "", tuple(cases))
