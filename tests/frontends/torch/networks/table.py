"""The table of what was measured."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

from tests.frontends.torch.networks.ways import WAYS, Answer

WRONG = ("different", "refused", "crashed", "late", "silent")
"""What is xir's fault, or the row's."""

MARK = "<!-- python -m tests.frontends.torch.networks --table writes what follows -->"

MEASURED = Path(__file__).parent / "measured.jsonl"
"""What was measured so far, a line of JSON a network and way; a run adds to it."""

KEPT = ("network", "way", "status", "error", "exact", "own", "nodes", "onnx_nodes", "origins", "seconds")

Results = dict[tuple[str, str], Answer]
"""The last answer of each network and way."""


def results(path: Path) -> Results:
    """What a file of results holds."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {(answer["network"], answer["way"]): answer for answer in map(json.loads, lines)}


_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:\"]+/)*(?=[^\s/:\"]+/[^\s/:\"]+)")
"""The folders of a file but the last, where its name is that of a whole path."""


def kept(answer: Answer) -> Answer:
    """What of an answer is written down: of what is told the first line, of files their last two names."""
    told = _FOLDERS.sub("", str(answer.get("told", "")).partition("\n")[0])[:300]
    return {key: answer[key] for key in KEPT if key in answer} | ({"told": told} if told else {})


def _cell(answer: Answer | None) -> str:
    if answer is None or answer["status"] == "none":
        return ""
    if "origins" in answer:
        known, nodes = answer["origins"]
        return f"{math.floor(1000 * known / nodes) / 10:g} %"
    if answer["status"] == "rounding":
        return f"{answer['exact']:.0e} ({answer['own']:.0e})"
    return f"{answer['error']:.0e}" if answer["status"] == "equal" else answer["status"]


def _count(answer: Answer | None, key: str) -> str:
    return "" if answer is None else str(answer.get(key, ""))


def lines_of(found: Results, names: Sequence[str]) -> list[str]:
    """The tables: how many of each status a way has, then a row a network."""
    held = [name for name in names if any((name, way) in found for way in WAYS)]
    lines = [
        "| way | networks | equal | rounding | xir fails | torch fails |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for way in WAYS:
        told = [found[name, way]["status"] for name in held if (name, way) in found]
        counts = {status: told.count(status) for status in sorted(told) if status != "none"}
        ours = ", ".join(f"{count} {status}" for status, count in counts.items() if status in WRONG)
        theirs = ", ".join(f"{count} {status}" for status, count in counts.items() if status == "not made")
        if way.startswith("exporter"):
            ours, theirs = "", ", ".join(each for each in (ours, theirs) if each)
        cells = (sum(counts.values()), counts.get("equal", 0), counts.get("rounding", 0), ours, theirs)
        lines.append(f"| {way} | {' | '.join(map(str, cells))} |")
    lines += ["", f"{len(held)} of {len(names)} networks.", *_nodes(found, held), ""]
    mapped = [found[name, "origins"]["origins"] for name in held if "origins" in found.get((name, "origins"), {})]
    if mapped:
        told = f"Of {sum(nodes for _, nodes in mapped)} nodes of {len(mapped)} networks, as read from both files,"
        told += f" optimized, written as ONNX, read again and optimized again, {sum(known for known, _ in mapped)}"
        lines += [f"{told} name their module and the line of its code.", ""]
    lines.append(f"| network | {' | '.join(WAYS)} | nodes | torch's nodes |")
    lines.append(f"| --- | {'---: | ' * len(WAYS)}---: | ---: |")
    for name in held:
        cells = [_cell(found.get((name, way))) for way in WAYS]
        counts = [_count(found.get((name, way)), "onnx_nodes") for way in ("onnx", "exporter")]
        lines.append(f"| {' | '.join((name, *cells, *counts))} |")
    missing = [name for name in names if name not in held]
    return [*lines, "", f"Not measured yet: {', '.join(missing)}."] if missing else lines


def _nodes(found: Results, held: Sequence[str]) -> list[str]:
    """Sums of nodes where both files are as torch's results."""
    lines: list[str] = []
    for ours, theirs in (("onnx", "exporter"), ("onnx-symbolic", "exporter-symbolic")):
        both = [
            (found[name, ours]["onnx_nodes"], found[name, theirs]["onnx_nodes"])
            for name in held
            if all(found.get((name, way), {}).get("status") in ("equal", "rounding") for way in (ours, theirs))
        ]
        more = sum(a > b for a, b in both)
        told = f"{ours}: where both files compute what torch does ({len(both)}), xir's hold"
        lines.append(
            f"{told} {sum(a for a, _ in both)} nodes, torch's {sum(b for _, b in both)}; xir's has more {more} times."
        )
    return lines


def write(path: Path, found: Results, names: Sequence[str]) -> None:
    """Writes the tables into a Markdown file, in place of what follows `MARK`."""
    text = path.read_text() if path.is_file() else ""
    before = text.partition(MARK)[0]
    path.write_text("\n".join([f"{before}{MARK}", "", *lines_of(found, names), ""]))
