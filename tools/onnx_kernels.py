"""The table of what onnxruntime's CPU kernels take: from the installed package, or from its docs/OperatorKernels.md.

usage: onnx_kernels.py [OperatorKernels.md] > xir/backends/export/onnx/ort-1.31.tsv

Without a document the registry of the installed onnxruntime is read (`get_all_opkernel_def`), of which the document is
made (tools/python/gen_opkernel_doc.py); it also tells which types go together, where the document unites them.
Each line is an operator, the versions of its wording ("7-12": from 7 to 12; "14+": only 14, as onnxruntime takes no
newer wording on trust; core/framework/kernel_registry.cc, VerifyVersion), and the types of each constraint.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

HEAD = "operator\tversions\ttypes"
DOMAINS = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml:"}
_OPEN = 2147483647
_SHORT = {
    "float": "f32",
    "double": "f64",
    "float16": "f16",
    "bfloat16": "bf16",
    "string": "str",
    "complex64": "c64",
    "complex128": "c128",
    "bool": "bool",
}

Constraints = tuple[tuple[str, tuple[str, ...]], ...]
Kernels = dict[tuple[str, int, int | None], list[dict[str, set[str]]]]
"""{(operator, first version, last version): what each of its kernels takes}."""


class Definition(Protocol):
    """One registered kernel, as onnxruntime's Python interface tells it."""

    op_name: str
    domain: str
    provider: str
    version_range: tuple[int, int]
    type_constraints: Mapping[str, Sequence[str]]


def short(text: str) -> str | None:
    """`tensor(float)` as xir writes it, `seq(tensor(float))` as `seq(f32)`; None for sparse tensors."""
    found = re.fullmatch(r"(tensor|seq|optional)\((.*)\)", text)
    if found is None:
        return re.sub(r"tensor\((\w+)\)|\b(int|string)(?=\d|,)", _plain, text) if text.startswith("map(") else None
    if found[1] == "tensor":
        return _element(found[2])
    inside = short(found[2])
    return None if inside is None else f"{found[1]}({inside})"


def _plain(match: re.Match[str]) -> str:
    return _element(match[1]) if match[1] else {"int": "i", "string": "str"}[match[2]]


def _element(name: str) -> str:
    if name in _SHORT:
        return _SHORT[name]
    return re.sub("^uint", "u", re.sub("^int", "i", re.sub("^float", "f", name)))


def of_registry(definitions: Iterable[Definition]) -> Kernels:
    """The CPU's kernels among the registered ones."""
    found: Kernels = {}
    for each in definitions:
        if each.provider == "CPUExecutionProvider" and each.domain in DOMAINS:
            first, last = each.version_range
            key = (DOMAINS[each.domain] + each.op_name, first, None if last == _OPEN else last)
            types = {name: _types(given) for name, given in each.type_constraints.items()}
            found.setdefault(key, []).append(types)
    return found


def of_document(text: str) -> Kernels:
    """The CPU's kernels in the words of docs/OperatorKernels.md.

    Raises:
        SystemExit: it has no table of the CPU's kernels.
    """
    part = re.search(r"## Operators implemented by CPUExecutionProvider(.*?)(?=\n## |\Z)", text, re.DOTALL)
    if part is None:
        raise SystemExit("expected a part 'Operators implemented by CPUExecutionProvider'")
    found: Kernels = {}
    domain, operator = "", ""
    for line in part[1].splitlines():
        named = re.match(r"\|\*\*Operator Domain:\*\* \*([\w.]+)\*", line)
        cells = line.split("|")
        if named:
            domain = named[1]
        elif len(cells) == 6 and re.search(r"\d", cells[3]) and domain in DOMAINS:
            operator = cells[1] or operator
            bounds = [int(number) for number in re.findall(r"\d+", cells[3])]
            last = None if "+" in cells[3] else bounds[-1]
            found[DOMAINS[domain] + operator, bounds[0], last] = [
                {name: _types(types.split(", ")) for name, types in re.findall(r"\*\*(\w+)\*\* = ([^<]*)", cells[4])}
            ]
    return found


def _types(given: Iterable[str]) -> set[str]:
    return {text for text in map(short, given) if text is not None}


def merged(kernels: Sequence[Mapping[str, set[str]]]) -> list[Constraints]:
    """The same in few: kernels that differ in one constraint alone are united."""
    held = [{name: set(types) for name, types in each.items()} for each in kernels]
    place = 0
    while place < len(held):
        for other in range(place + 1, len(held)):
            differing = [name for name in held[place] if held[place][name] != held[other].get(name)]
            if len(differing) <= 1 and held[place].keys() == held[other].keys():
                for name in differing:
                    held[place][name] |= held.pop(other)[name]
                if not differing:
                    held.pop(other)
                place = -1
                break
        place += 1
    return sorted(tuple((name, tuple(sorted(types))) for name, types in sorted(each.items())) for each in held)


def to_text(kernels: Kernels) -> str:
    """The table, by operator; versions with the same types in one line."""
    rows: dict[tuple[str, Constraints], list[tuple[int, int | None]]] = {}
    for (operator, first, last), taken in kernels.items():
        for constraints in merged(taken):
            rows.setdefault((operator, constraints), []).append((first, last))
    lines = [
        f"{operator}\t{' '.join(_versions(*each) for each in sorted(versions, key=lambda pair: pair[0]))}\t"
        + "; ".join(f"{name}={' '.join(types)}" for name, types in constraints)
        for (operator, constraints), versions in sorted(rows.items(), key=lambda row: row[0])
    ]
    return "\n".join((HEAD, *lines)) + "\n"


def _versions(first: int, last: int | None) -> str:
    if last is None:
        return f"{first}+"
    return str(first) if first == last else f"{first}-{last}"


def installed() -> Kernels:
    """What the installed onnxruntime has."""
    state = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    every = cast("Callable[[], Iterable[Definition]]", state.get_all_opkernel_def)
    return of_registry(every())


def main(arguments: Sequence[str]) -> None:
    """Writes the table."""
    kernels = of_document(Path(arguments[0]).read_text(encoding="utf-8")) if arguments else installed()
    sys.stdout.write(to_text(kernels))


if __name__ == "__main__":
    main(sys.argv[1:])
