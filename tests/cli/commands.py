"""How the tests call the command: in a process of its own, or in this one; and a small net to call it with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xir_cli.main import main

REPOSITORY = Path(__file__).resolve().parent.parent.parent

NET = """
name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param {
  pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool1" top: "fc" inner_product_param {
  num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""

UNSUPPORTED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "odd1" type: "Oddity" bottom: "data" top: "a" }
layer { name: "odd2" type: "Oddity" bottom: "a" top: "b" }
layer { name: "strange" type: "Strangeness" bottom: "b" top: "c" }
"""


@dataclass
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "cli"), str(REPOSITORY / "conformance")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}


def unmeasured(variables: dict[str, str]) -> dict[str, str]:
    """Without what makes coverage measure a process: one that is killed, or that may not write, leaves a torn file."""
    return {name: value for name, value in variables.items() if not name.startswith("COV")}


def command_line(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "xir_cli", *map(str, arguments)]


def spawn(*arguments: object, cwd: Path | None = None, **more: str) -> Done:
    """Runs the command in a process of its own."""
    done = subprocess.run(
        command_line(*arguments), cwd=cwd, env=environment(**more), capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def call(capsys: Any, *arguments: object) -> Done:
    """Runs the command in this process."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return Done(code, said.out, said.err)


def small(folder: Path, text: str = NET, name: str = "small.prototxt") -> Path:
    path = folder / name
    path.write_text(text)
    return path
