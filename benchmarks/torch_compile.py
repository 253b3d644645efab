"""`torch.compile(backend="xir")` against PyTorch's eager mode and inductor.

    python benchmarks/torch_compile.py                          # what is not measured yet, xir first
    python benchmarks/torch_compile.py torchvision.resnet18 --sides xir --again
    python benchmarks/torch_compile.py --jobs 2 --table docs/pytorch_live.md

Each network, kind (inference or training) and side (xir or inductor) is a process (torch_compile_child.py) with a time
limit; its line of JSON is added to `torch_compile.jsonl`, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from measure import REPOSITORY, Figure, environment

HERE = Path(__file__).resolve().parent
MEASURED = HERE / "torch_compile.jsonl"
"""What was measured, a line of JSON a network, kind and side; the last one counts."""
MARKS = ("<!-- python benchmarks/torch_compile.py --table writes what follows -->", "<!-- end of the tables -->")
KINDS = ("inference", "training")
SIDES = ("xir", "inductor")
SECONDS = {"xir": 300, "inductor": 120}
"""How long the process of a side may take, its compiler included."""
TOLERANCE = 1e-4
"""Of the largest element of a result, and of the norm of all gradients, and of all weights."""
EXACT = 1e-9
"""The same in float64."""

_NN = "perceptron lenet unet autoencoder wavenet words_rnn words_lstm words_gru masked_encoder translator recommender"
_VISION = """
alexnet vgg11 resnet18 resnet50 resnext50_32x4d densenet121 googlenet squeezenet1_1 mobilenet_v2 mobilenet_v3_small
mnasnet1_0 shufflenet_v2_x1_0 efficientnet_b0 regnet_y_400mf convnext_tiny swin_t vit_b_16 deeplabv3_mobilenet_v3_large
lraspp_mobilenet_v3_large fcn_resnet50
"""
_LANGUAGE = """
bert roberta electra distilbert gpt2 llama mistral qwen2 gemma t5 bart whisper mamba vit swin clip_vision
"""
_TRAINED = """
nn.perceptron nn.lenet nn.unet nn.autoencoder nn.wavenet nn.words_lstm nn.words_gru nn.masked_encoder
nn.translator nn.recommender
torchvision.squeezenet1_1 torchvision.resnet18 torchvision.mobilenet_v2 torchvision.convnext_tiny
transformers.bert transformers.gpt2 transformers.llama transformers.mistral transformers.t5 transformers.vit
transformers.swin transformers.clip_vision
"""

Answer = dict[str, Any]
Key = tuple[str, str, str]
"""(network, kind, side)."""


def chosen_networks(kind: str) -> list[str]:
    """The networks of a kind, by their names in tests/frontends/torch/networks."""
    if kind == "training":
        return _TRAINED.split()
    rooms = {"nn": _NN, "torchvision": _VISION, "transformers": _LANGUAGE}
    return [f"{room}.{name}" for room, names in rooms.items() for name in names.split()]


def results(path: Path) -> dict[Key, Answer]:
    """What a file holds."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    answers: list[Answer] = [json.loads(line) for line in lines]
    return {(each["network"], each["kind"], each["side"]): each for each in answers}


def measured(key: Key) -> Answer:
    """A network, kind and side in a process of its own; `failed` says what went wrong, `took` the seconds."""
    network, kind, side = key
    command = [sys.executable, str(HERE / "torch_compile_child.py"), *key]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "XIR_CACHE": "off"}
    started = time.perf_counter()
    told: Answer = {"network": network, "kind": kind, "side": side}
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment(threads), capture_output=True, text=True, check=False,
            timeout=SECONDS[side],
        )  # fmt: skip
        lines = done.stdout.splitlines()
        told = json.loads(lines[-1]) if not done.returncode else told | {"failed": _last_line(done.stderr)}
    except subprocess.TimeoutExpired:
        told["failed"] = f"it took longer than {SECONDS[side]} s"
    return told | {"took": round(time.perf_counter() - started, 1)}


def _last_line(text: str) -> str:
    """What went wrong, of a process's errors."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(" ")]
    return lines[-1][:300] if lines else "the process ended without a word"


def wrong(answer: Answer) -> str:
    """What is wrong with an answer, or nothing."""
    if "failed" in answer:
        return str(answer["failed"])
    error, exact = answer.get("round", answer.get("error", 0.0)), answer.get("exact", 0.0)
    return f"it differs from eager by {error:.1e}" if error > TOLERANCE or exact > EXACT else ""


def rows(keys: Sequence[Key], path: Path, *, again: bool, jobs: int = 1) -> Iterator[Answer]:
    """The answers; what the file does not hold is measured and written there, `jobs` at a time."""
    found = {} if again else results(path)
    pool = ThreadPoolExecutor(jobs)
    try:
        begun = {key: pool.submit(measured, key) for key in keys if key not in found}
        for key in keys:
            if key in begun:
                found[key] = begun[key].result()
                with path.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(found[key]) + "\n")
            yield found[key]
    finally:
        pool.shutdown(cancel_futures=True)


def mean(quotients: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, quotients)) / len(quotients))


def torch_compile() -> Iterator[Figure]:
    """All networks anew, then the means over them.

    Raises:
        RuntimeError: xir does not answer as eager does.
    """
    for kind in KINDS:
        quotients: list[float] = []
        for name in chosen_networks(kind):
            answer = measured((name, kind, "xir"))
            if "No module named" in answer.get("failed", "") or "is not installed" in answer.get("failed", ""):
                sys.stdout.write(f"{name}, {kind}: not measured, {answer['failed']}\n")
                continue
            if told := wrong(answer):
                raise RuntimeError(f"{name}, {kind}: {told}")
            quotients.append(answer["seconds"] / answer["eager"])
            detail = f"{answer['low']:.2f} to {answer['high']:.2f} in a round"
            yield Figure(f"torch.compile, {kind}, {name}: time of xir / eager", quotients[-1], "x", None, detail)
        if quotients:
            told = f"{len(quotients)} networks"
            yield Figure(f"torch.compile, {kind}, geometric mean", mean(quotients), "x", 1.0, told)


def tables(found: dict[Key, Answer]) -> list[str]:
    """The tables of both kinds."""
    lines: list[str] = []
    for kind in KINDS:
        sides = {side: _of_side(found, kind, side) for side in SIDES}
        lines += [
            f"{kind.capitalize()}:",
            "",
            "| network | eager | xir | inductor | xir / eager | in a round | error |",
        ]
        lines += ["| --- | ---: | ---: | ---: | ---: | --- | --- |"]
        lines += [_line(name, *(sides[side].get(name) for side in SIDES)) for name in chosen_networks(kind)]
        lines += ["", *_means(sides), ""]
    return lines


def _of_side(found: dict[Key, Answer], kind: str, side: str) -> dict[str, Answer]:
    names = chosen_networks(kind)
    return {name: found[name, kind, side] for name in names if (name, kind, side) in found}


def _line(name: str, xir: Answer | None, inductor: Answer | None) -> str:
    ours, theirs = xir or {}, inductor or {}
    eager = ours.get("eager", theirs.get("eager"))
    cells = [_time(eager), _time(ours.get("seconds")), _time(theirs.get("seconds"))]
    if theirs.get("failed"):
        cells[2] = "late" if "took longer" in theirs["failed"] else "fails"
    if ours.get("failed"):
        return f"| {name} | {' | '.join(cells)} | {ours['failed'].replace('|', '/')} | | |"
    if not ours:
        return f"| {name} | {' | '.join(cells)} | | | |"
    exact = f" ({ours['round']:.0e} round, {ours['exact']:.0e} in float64)" if "exact" in ours else ""
    quotient = f"{ours['seconds'] / ours['eager']:.2f} | {ours['low']:.2f} to {ours['high']:.2f}"
    return f"| {name} | {' | '.join(cells)} | {quotient} | {ours['error']:.0e}{exact} |"


def _time(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.3g} ms"


def _means(sides: dict[str, dict[str, Answer]]) -> list[str]:
    """The geometric means of each side, and of xir's time divided by inductor's where both were measured."""
    timed = {side: {name: each for name, each in held.items() if "seconds" in each} for side, held in sides.items()}
    told: list[str] = []
    for side, held in timed.items():
        if held:
            quotients = [each["seconds"] / each["eager"] for each in held.values()]
            slower = sum(each > 1 for each in quotients)
            told.append(f"{side} / eager {mean(quotients):.2f} (of {len(held)}, of which {slower} are slower)")
    both = [
        timed["xir"][name]["seconds"] / timed["inductor"][name]["seconds"]
        for name in timed["xir"]
        if name in timed["inductor"]
    ]
    if both:
        told.append(f"xir / inductor {mean(both):.2f} (of {len(both)})")
    equal = sum(not wrong(each) for each in sides["xir"].values())
    return [f"Geometric means: {'; '.join(told)}. {equal} of {len(sides['xir'])} networks answer as eager does."]


def write(path: Path, found: dict[Key, Answer]) -> None:
    """Writes the tables between their marks in a Markdown file.

    Raises:
        ValueError: it has no such marks.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not begin or not end:
        raise ValueError(f"{path} has no lines {MARKS[0]!r} and {MARKS[1]!r}")
    path.write_text("\n".join([f"{before}{begin}", "", *tables(found), f"{end}{after}"]), encoding="utf-8")


def main() -> int:
    """Measures what the command line names; 1 where xir does not answer as eager does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NETWORK", help="all without a name")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--results", type=Path, default=MEASURED, help="lines of JSON, added to")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time; at most as many as there are cores")
    parser.add_argument("--again", action="store_true", help="also what --results holds already")
    parser.add_argument("--table", type=Path, help="writes the tables of all results into this Markdown file")
    chosen = parser.parse_args()
    keys = [
        (name, kind, side)
        for side in chosen.sides.split(",")
        for kind in chosen.kinds.split(",")
        for name in chosen.names or chosen_networks(kind)
    ]
    failed = 0
    for answer in rows(keys, chosen.results, again=chosen.again, jobs=chosen.jobs):
        told = wrong(answer)
        failed += bool(told) and answer["side"] == "xir"
        quotient = f"{answer['seconds'] / answer['eager']:.2f}" if "seconds" in answer else ""
        shown = f"{answer['network']:40} {answer['kind']:10} {answer['side']:9} {answer['took']:6.1f} s {quotient:>5}"
        sys.stdout.write(f"{shown} {answer.get('error', 0.0):.0e} {told} {answer.get('left', '')[:200]}\n")
        sys.stdout.flush()
    if chosen.table is not None:
        write(chosen.table, results(chosen.results))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
