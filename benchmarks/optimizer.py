"""Nodes and seconds of the optimiser, against onnxsim and onnxslim on the same models in the same run.

The peers run in the interpreter that `XIR_PEERS_PYTHON` names, else in this one; one that is not installed is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from measure import REPOSITORY, Figure, Samples, environment

ROUNDS = 3
SECONDS = 300
"""How long a tool may take for a model."""

TOOLS = ("xir", "onnxslim", "onnxsim")
CHILD = Path(__file__).with_name("optimizer_child.py")


def optimizer() -> list[Figure]:
    """Nodes in all graphs of each file against the better peer's, and seconds over all models against onnxslim's.

    Raises:
        FileNotFoundError: no model is there.
    """
    folder = Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus").expanduser() / "onnx"
    models = sorted(folder.rglob("*.onnx"))
    if not models:
        raise FileNotFoundError(f"no model in {folder}: run `make models`")
    tools = [tool for tool in TOOLS if tool == "xir" or _installed(tool)]
    seconds: dict[str, list[Samples]] = {tool: [] for tool in tools}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name:
        for model in models:
            counts, times = _compare(model, tools, Path(name))
            label = model.relative_to(folder).with_suffix("")
            figures.append(_nodes(str(label), _count(model), counts))
            for tool in tools:
                seconds[tool].append(times[tool])
    return [*figures, *_times(seconds)]


def _python(tool: str) -> str:
    return sys.executable if tool == "xir" else os.environ.get("XIR_PEERS_PYTHON") or sys.executable


def _installed(tool: str) -> bool:
    found = subprocess.run([_python(tool), "-c", f"import {tool}"], capture_output=True, check=False)
    if found.returncode:
        sys.stdout.write(f"  {tool} is not installed for {_python(tool)}: it is left out\n")
    return not found.returncode


def _compare(model: Path, tools: list[str], folder: Path) -> tuple[dict[str, int | None], dict[str, Samples]]:
    """What each tool makes of a model, in turn: the nodes (None where it fails) and the seconds."""
    counts: dict[str, int | None] = {}
    times = {tool: Samples() for tool in tools}
    for _ in range(ROUNDS):
        for tool in tools:
            target = folder / f"{tool}.onnx"
            target.unlink(missing_ok=True)
            taken = _run(tool, model, target)
            counts[tool] = None if taken is None else _count(target)
            if taken is not None:
                times[tool].values.append(taken)
    return counts, times


def _run(tool: str, model: Path, target: Path) -> float | None:
    try:
        done = subprocess.run(
            [_python(tool), str(CHILD), tool, str(model), str(target)],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=REPOSITORY,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    words = done.stdout.split()
    return float(words[-1]) if done.returncode == 0 and words[-2:-1] == ["seconds"] else None


def _count(path: Path) -> int:
    return nodes(onnx.ModelProto.FromString(path.read_bytes()).graph)


def nodes(graph: onnx.GraphProto) -> int:
    """The nodes of a graph and of all bodies in it."""
    inner = (attribute.g for node in graph.node for attribute in node.attribute if attribute.type == attribute.GRAPH)
    return len(graph.node) + sum(map(nodes, inner))


def _nodes(model: str, before: int, counts: dict[str, int | None]) -> Figure:
    peers = [count for tool, count in counts.items() if tool != "xir" and count is not None]
    told = ", ".join(f"{tool} {'fails' if count is None else count}" for tool, count in counts.items() if tool != "xir")
    mine = counts["xir"]
    value = float("inf") if mine is None else float(mine)
    detail = f"published {before}; {told or 'no peers'}"
    return Figure(f"optimiser, {model}", value, "nodes", min(peers) if peers else None, detail)


def _times(seconds: dict[str, list[Samples]]) -> list[Figure]:
    """Seconds over the models that both tools finish, as a ratio."""
    figures: list[Figure] = []
    for tool, theirs in seconds.items():
        if tool == "xir":
            continue
        pairs = [(a, b) for a, b in zip(seconds["xir"], theirs, strict=True) if a.values and b.values]
        mine, other = (sum(each.median for each in side) for side in zip(*pairs, strict=True))
        detail = f"xir {mine:.2f} s, {tool} {other:.2f} s; sums of medians of {ROUNDS} rounds over {len(pairs)} models"
        goal = 1.0 if tool == "onnxslim" else None  # onnxsim is C++, and does far less
        figures.append(Figure(f"optimiser, time / {tool}", mine / other, "x", goal, detail))
    return figures
