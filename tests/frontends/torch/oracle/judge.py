"""Runs cases and says which are equal to torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.frontends.torch.oracle import arrays
from tests.frontends.torch.oracle.case import TOLERANCES, Case

WAYS = ("reference", "compiled")
"""What an archive is run on."""

REPOSITORY = Path(__file__).resolve().parents[4]


@dataclass
class Verdict:
    """How a case went.

    Attributes:
        name: of the case.
        status: `equal`, `different`, `refused` (by xir), `crashed` (xir), or `not exported` (by torch).
        error: the largest error over what is allowed, 1 being the border.
        told: what else there is to say.
        nodes: of the graph.
    """

    name: str
    status: str
    error: float = 0.0
    told: str = ""
    nodes: int = 0


def judged(
    cases: Iterable[Case], *, ways: Sequence[str] = WAYS, keep: Path | None = None, batch: int = 8
) -> Iterator[Verdict]:
    """A verdict a case; some are handed to one process together, so that starting it costs little."""
    from tests.frontends.torch.oracle.export import export

    waiting: list[tuple[Case, Path]] = []
    with tempfile.TemporaryDirectory() as made:
        for number, case in enumerate(cases):
            folder = (keep or Path(made)) / f"{number}_{''.join(c if c.isalnum() else '_' for c in case.name)[:80]}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                export(case, folder)
            except Exception as error:
                yield Verdict(case.name, "not exported", told=f"{type(error).__name__}: {str(error)[:300]}")
                continue
            waiting.append((case, folder))
            if len(waiting) == batch:
                yield from _run(waiting, ways, keep is not None)
                waiting = []
        yield from _run(waiting, ways, keep is not None)


def _run(waiting: list[tuple[Case, Path]], ways: Sequence[str], kept: bool) -> Iterator[Verdict]:
    left = list(waiting)
    while left:
        command = [sys.executable, "-m", "tests.frontends.torch.oracle.worker", ",".join(ways)]
        folders = [str(folder) for _, folder in left]
        with subprocess.Popen([*command, *folders], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("{"):
                    yield _verdict(*left[0], json.loads(line), ways)
                    left = _without_first(left, kept)
        if left:  # the process died on the first of them
            answer = {"error": f"BUG the process ended with {process.returncode}"}
            yield _verdict(*left[0], answer, ways)
            left = _without_first(left, kept)


def _without_first(waiting: list[tuple[Case, Path]], kept: bool) -> list[tuple[Case, Path]]:
    if not kept:
        shutil.rmtree(waiting[0][1])
    return waiting[1:]


def _verdict(case: Case, folder: Path, answer: dict, ways: Sequence[str]) -> Verdict:
    answer = next(iter(answer.get("errors", {}).values()), answer)
    if "error" in answer:
        crashed = answer["error"].startswith("BUG")
        return Verdict(case.name, "crashed" if crashed else "refused", told=answer.get("traceback") or answer["error"])
    worst, told = 0.0, ""
    for expected in sorted(folder.glob("outputs_*.json")):
        buffers, changed = _buffers(folder, expected), answer["changed"]
        wanted = [*arrays.load(expected), *(buffers[name] for name in changed if name in buffers)]
        for way in ways:
            made = arrays.load(folder / f"{way}_{expected.stem.removeprefix('outputs_')}")
            kept = len(made) - len(changed)
            after = [array for name, array in zip(changed, made[kept:], strict=True) if name in buffers]
            error, why = difference([*made[:kept], *after], wanted, case.tolerance)
            if error > worst:
                worst, told = error, f"{way}: {why}"
    return Verdict(case.name, "equal" if worst <= 1 else "different", worst, told, answer["nodes"])


def _buffers(folder: Path, expected: Path) -> dict[str, np.ndarray]:
    """What torch's buffers hold after the run."""
    number = expected.stem.removeprefix("outputs_")
    names = (folder / f"names_{number}.txt").read_text().splitlines()
    return dict(zip(names, arrays.load(folder / f"state_{number}"), strict=True))


def difference(made: list[np.ndarray], wanted: list[np.ndarray], tolerance: float | None = None) -> tuple[float, str]:
    """(the largest error over what is allowed, where it is)."""
    if len(made) != len(wanted):
        return np.inf, f"{len(made)} results, torch has {len(wanted)}"
    worst, told = 0.0, ""
    for place, (a, b) in enumerate(zip(made, wanted, strict=True)):
        if a.shape != b.shape:
            return np.inf, f"result {place} is {a.shape}, torch's {b.shape}"
        if a.dtype != b.dtype and b.shape:
            return np.inf, f"result {place} is {a.dtype}, torch's {b.dtype}"
        error = _distance(a, b, tolerance)
        if error > worst:
            worst, told = (
                error,
                f"result {place} {a.dtype}{list(a.shape)} is wrong by {error:.3g} times what is allowed",
            )
    return worst, told


def _distance(a: np.ndarray, b: np.ndarray, tolerance: float | None) -> float:
    allowed = tolerance if tolerance is not None else TOLERANCES.get(b.dtype.name)
    if allowed is None or not a.size:
        return 0.0 if np.array_equal(a, b) else np.inf
    wide = np.complex128 if b.dtype.kind == "c" else np.float64
    left, right = a.astype(wide), b.astype(wide)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        errors = np.abs(left - right) / (allowed * (1 + np.abs(right)))
    errors = np.where(same, 0.0, np.where(np.isfinite(errors), errors, np.inf))
    return float(errors.max())
