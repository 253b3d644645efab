"""The table of what was measured."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.frontends.keras.applications.ways import PEERS, WAYS, Answer

MARK = "<!-- make applications writes what follows -->"

MEASURED = Path(__file__).with_name("measured.jsonl")
"""What was measured so far, a line of JSON a network and way; a run adds to it."""

RIGHT = ("equal", "rounding")
"""What is not wrong."""

SAID = {
    "keras": ".keras, read",
    "h5": ".h5, read",
    "saved": "SavedModel, read",
    "tflite": "TFLite, read",
    "int8": "TFLite of integers, read",
    "onnx": ".keras to ONNX",
    "saved-onnx": "SavedModel to ONNX",
    "tf2onnx": "tf2onnx: SavedModel to ONNX",
    "to-tflite": ".keras to TFLite",
    "converter": "TensorFlow: SavedModel to TFLite",
}
"""The ways in words."""

PAIRS = {"onnx": "tf2onnx", "saved-onnx": "tf2onnx", "to-tflite": "converter"}
"""xir's ways out, each with the peer's."""

HEAD = (
    "network", ".keras", ".h5", "SavedModel", "TFLite", "int8",
    "ONNX", "from SavedModel", "tf2onnx", "nodes", "transposes", "time",
    "TFLite out", "TensorFlow's", "operators", "transposes", "MB", "time",
)  # fmt: skip

Results = dict[tuple[str, str], Answer]
"""The last answer of each network and way."""

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/:\"']+/)+")


def results(path: Path) -> Results:
    """What a file of results holds."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {(answer["network"], answer["way"]): answer for answer in map(json.loads, lines)}


def kept(name: str, way: str, answer: Answer) -> Answer:
    """What of an answer is written down: what is told without folders, and no more than 300 characters of it."""
    told = {"told": _FOLDERS.sub("", answer["told"])[:300]} if "told" in answer else {}
    return {"network": name, "way": way} | answer | told


def ratio(ours: Answer, theirs: Answer, key: str = "seconds") -> float:
    """How many times as long the peer's process took: `seconds` of the clock or of the processor (`cpu`), medians."""
    return median(theirs[key]) / median(ours[key])


def lines_of(found: Results, names: Sequence[str]) -> list[str]:
    """The sums, a row a network, and what failed."""
    held = [name for name in names if any((name, way) in found for way in WAYS)]
    lines = [f"{len(held)} of {len(names)} networks.", "", *_agreeing(found, held), "", *_beside(found, held), ""]
    lines += [f"| {' | '.join(HEAD)} |", f"| --- |{' ---: |' * (len(HEAD) - 1)}"]
    lines += [f"| {' | '.join(_row(found, name))} |" for name in held]
    failed = [
        f"- {name}, {SAID[way]}: {answer['status']}, {_why(answer)}"
        for (name, way), answer in found.items()
        if name in held and answer["status"] not in RIGHT
    ]
    missing = (
        [f"Not measured yet: {', '.join(name for name in names if name not in held)}."] if held != [*names] else []
    )
    return [*lines, *(["", "Not equal:", "", *failed] if failed else []), *(["", *missing] if missing else [])]


def _why(answer: Answer) -> str:
    if "steps" in answer:
        return (
            f"{answer['steps']} steps from LiteRT's reference kernels, {answer['fast']} from its fast ones, which are "
            f"{answer['own']} from those"
        )
    if "told" in answer or "own" not in answer:
        return str(answer.get("told") or answer["error"])
    return f"{answer['error']:.0e}; from float64 {answer['exact']:.0e}, Keras's own float32 {answer['own']:.0e}"


def _agreeing(found: Results, held: Sequence[str]) -> Iterator[str]:
    yield "| way | networks | equal | rounding | largest error of those equal |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for way in WAYS:
        answers = [found[name, way] for name in held if (name, way) in found]
        equal = [answer for answer in answers if answer["status"] == "equal"]
        rounded = sum(answer["status"] == "rounding" for answer in answers)
        largest = max(map(_error, equal), default=0)
        told = f"{largest} steps" if way == "int8" else f"{largest:.0e}"
        yield f"| {SAID[way]} | {len(answers)} | {len(equal)} | {rounded} | {told if equal else ''} |"


def _error(answer: Answer) -> float:
    """How far a result is from its peer's; in steps, from those of LiteRT's kernels that are nearer."""
    return min(answer["steps"], answer["fast"]) if "steps" in answer else answer["error"]


def _beside(found: Results, held: Sequence[str]) -> Iterator[str]:
    """Sums beside the peers where both are equal or rounded."""
    for ours, theirs in PAIRS.items():
        both = [
            (found[name, ours], found[name, theirs])
            for name in held
            if all(found.get((name, way), {}).get("status") in RIGHT for way in (ours, theirs))
        ]
        if not both:
            continue
        sums = [sum(pair[side][key] for pair in both) for key in ("nodes", "transposes") for side in (0, 1)]
        more = sum(a["nodes"] > b["nodes"] or a["transposes"] > b["transposes"] for a, b in both)
        clock, cpu = (_mean(ratio(a, b, key) for a, b in both) for key in ("seconds", "cpu"))
        yield (
            f"- {SAID[ours]}, beside {SAID[theirs]}, where both are right ({len(both)}): {sums[0]} nodes beside "
            f"{sums[1]}, {sums[2]} transposes beside {sums[3]}, more of either in {more}; the peer takes {clock:.1f} "
            f"times as long, {cpu:.1f} times the processor's time (geometric means)."
        )


def _mean(ratios: Iterator[float]) -> float:
    """The geometric mean."""
    logarithms = [math.log(each) for each in ratios]
    return math.exp(sum(logarithms) / len(logarithms))


def _row(found: Results, name: str) -> Iterator[str]:
    answers = {way: found[name, way] for way in WAYS if (name, way) in found}
    yield name
    for way in ("keras", "h5", "saved", "tflite", "int8"):
        yield _cell(answers.get(way))
    yield from map(_cell, (answers.get("onnx"), answers.get("saved-onnx"), answers.get("tf2onnx")))
    yield _pair(answers, "onnx", lambda answer: str(answer["nodes"]))
    yield _pair(answers, "onnx", lambda answer: str(answer["transposes"]))
    yield _times(answers, "onnx")
    yield from map(_cell, (answers.get("to-tflite"), answers.get("converter")))
    yield _pair(answers, "to-tflite", lambda answer: str(answer["nodes"]))
    yield _pair(answers, "to-tflite", lambda answer: str(answer["transposes"]))
    yield _pair(answers, "to-tflite", lambda answer: f"{answer['bytes'] / 1e6:.1f}")
    yield _times(answers, "to-tflite")


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return ""
    rounded = " (rounding)" if answer["status"] == "rounding" else ""
    if "steps" in answer:
        return f"{answer['steps']}, {answer['fast']} ({answer['own']})" + rounded
    return f"{answer['error']:.0e}" + rounded if answer["status"] in RIGHT else str(answer["status"])


def _pair(answers: dict[str, Answer], ours: str, told: Callable[[Answer], str]) -> str:
    """What xir's file has, and the peer's."""
    pair = (answers.get(ours, {}), answers.get(PAIRS[ours], {}))
    return " / ".join(told(answer) if "nodes" in answer else "-" for answer in pair)


def _times(answers: dict[str, Answer], ours: str) -> str:
    pair = (answers.get(ours, {}), answers.get(PAIRS[ours], {}))
    if any("nodes" not in answer for answer in pair):
        return ""
    turns = len(pair[0]["seconds"])
    return f"{ratio(*pair):.1f}" + (f" ({turns} turns)" if turns > 1 else "")


def wrong(way: str, answer: Answer) -> bool:
    """Whether xir fails."""
    return way not in PEERS and answer["status"] not in RIGHT


def write(path: Path, found: Results, names: Sequence[str]) -> None:
    """Writes the tables into a Markdown file, in place of what follows `MARK`."""
    before = path.read_text().partition(MARK)[0]
    path.write_text("\n".join([f"{before}{MARK}", "", *lines_of(found, names), ""]))
