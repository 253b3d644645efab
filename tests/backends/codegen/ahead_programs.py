"""C programs that call models compiled ahead of time: how they are written, built and run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import xir
from xir.backends.codegen.ahead.files import AheadReport
from xir.ir.constant import Array
from xir.ir.graph import Graph

FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror")
SECONDS = 300
"""No compiler and no program of a test takes longer."""


def tool(*names: str) -> str:
    """The path of the first tool that is there; the test is skipped without one."""
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip(f"there is no {' or '.join(names)}")


def c_program(
    report: AheadReport,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    *,
    sizes: Sequence[int] = (),
    threads: int = 1,
    level: int | None = None,
) -> str:
    """A program that reads the inputs from `fed`, runs twice, and writes the outputs to `made`."""
    weights = f'"{report.files[2]}", ' if len(report.files) > 2 else ""
    bytes = [array.nbytes for array in (*inputs, *outputs)]
    held = "\n".join(f"static _Alignas(8) unsigned char a{n}[{max(size, 1)}];" for n, size in enumerate(bytes))
    reads = "\n".join(
        f"if (fread(a{n}, 1, {a.nbytes}, fed) != {a.nbytes}) return 2;" for n, a in enumerate(inputs) if a.nbytes
    )
    writes = "\n".join(f"fwrite(a{n}, 1, {bytes[n]}, made);" for n in range(len(inputs), len(bytes)))
    given = ", ".join(["model", *(["&sizes"] if sizes else []), *(f"(void *)a{n}" for n in range(len(bytes)))])
    init = f"{report.name}_init{'' if level is None else '_level'}(&model, {weights}{threads}"
    return f"""
#include <stdio.h>
#include "{report.files[1]}"
{held}
int main(int count, char **words) {{
  (void)count;
  FILE *fed = fopen(words[1], "rb"), *made = fopen(words[2], "wb");
  if (!fed || !made) return 3;
  {reads}
  {f"struct {report.name}_sizes sizes = {{ {', '.join(map(str, sizes))} }};" if sizes else ""}
  struct {report.name}_model *model;
  int code = {init}{"" if level is None else f", {level}"});
  if (code) return 30 + code;
  for (int turn = 0; turn < 2; turn++) {{
    code = {report.name}_run({given});
    if (code) return 10 + code;
  }}
  {writes}
  {report.name}_free(model);
  {report.name}_free(0);
  return fclose(made) ? 5 : 0;
}}
"""


def built(compiler: str, report: AheadReport, text: str, folder: Path, flags: Sequence[str] = FLAGS) -> Path:
    """A program of this text that is linked with the model."""
    source, program = folder / ("main.cc" if compiler.endswith("++") else "main.c"), folder / "main"
    source.write_text(text)
    command = [compiler, *flags, source, report.files[0], "-o", program, "-lm", "-pthread", f"-Wl,-rpath,{folder}"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return program


def answered(
    command: Sequence[str | Path], inputs: Sequence[Array], expected: Sequence[Array], folder: Path
) -> tuple[Array, ...]:
    """What a program writes when it is fed the inputs: arrays like the expected ones."""
    (folder / "fed").write_bytes(b"".join(array.tobytes() for array in inputs))
    ran = subprocess.run([*command, folder / "fed", folder / "made"], timeout=SECONDS, check=False)
    assert ran.returncode == 0
    data, start, found = (folder / "made").read_bytes(), 0, list[Array]()
    for array in expected:
        found.append(np.frombuffer(data[start : start + array.nbytes], array.dtype).reshape(array.shape))
        start += array.nbytes
    assert start == len(data)
    return tuple(found)


def called(report: AheadReport, graph: Graph, feeds: Mapping[str, Array], folder: Path) -> tuple[Array, ...]:
    """What a C program gets from the model."""
    inputs = [np.ascontiguousarray(feeds[name]) for name in graph.input_names]
    expected = tuple(xir.run(graph, feeds).values())
    program = built(tool("cc"), report, c_program(report, inputs, expected), folder)
    return answered([program], inputs, expected, folder)
