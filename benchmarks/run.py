"""Prints the project's figures for this machine: `python benchmarks/run.py [NAME...] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from compiled import compiled
from conversion import conversion
from footprint import footprint
from large_onnx import large_onnx
from low_precision import low_precision
from machine import machine, sentence
from measure import Figure
from open_nsfw import open_nsfw
from optimizer import optimizer
from peers import installed
from quantization import quantization
from scaling import scaling
from startup import startup


def torch_compile() -> Iterable[Figure]:
    """See `torch_compile.torch_compile`; none where torch is not installed."""
    if not installed("torch"):
        return ()
    from torch_compile import torch_compile as figures

    return figures()


BENCHMARKS: Mapping[str, Callable[[], Iterable[Figure]]] = {
    "startup": startup,
    "scaling": scaling,
    "open_nsfw": open_nsfw,
    "conversion": conversion,
    "quantization": quantization,
    "optimizer": optimizer,
    "large_onnx": large_onnx,
    "compiled": compiled,
    "low_precision": low_precision,
    "footprint": footprint,
    "torch_compile": torch_compile,
}
"""Name -> benchmark, in the order in which they run."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the named benchmarks, or all of them; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; without any, all")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    known = machine()
    sys.stdout.write(sentence(known) + "\n\n")
    figures: list[Figure] = []
    for name in chosen.names or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            sys.stdout.write(line(figure) + "\n")
            sys.stdout.flush()
            figures.append(figure)
    if chosen.json:
        report = {"version": 1, "machine": known, "figures": [asdict(figure) for figure in figures]}
        Path(chosen.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = [figure.name for figure in figures if figure.reached is False]
    if missed:
        sys.stdout.write(f"\nmissed: {'; '.join(missed)}\n")
    return 1 if missed else 0


def line(figure: Figure) -> str:
    """A figure as one line of the table: value, goal, name, detail."""
    goal = "" if figure.goal is None else f"<= {figure.goal:g}"
    mark = {None: " ", True: "+", False: "!"}[figure.reached]
    return f"{mark} {figure.value:10.2f} {figure.unit:7} {goal:8} {figure.name}  [{figure.detail}]"


if __name__ == "__main__":
    sys.exit(main())
