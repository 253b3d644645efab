"""The table of benchmarks/torch_compile.py: what is kept, what is measured anew, and what is told of it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.frontends.torch.networks.rows import networks

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
LENET = ("nn.lenet", "training")
OURS = {"error": 2e-7, "eager": 4e-3, "seconds": 1e-3, "low": 0.2, "high": 0.5}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("torch_compile")


def answer(key: tuple[str, str], side: str, **told: object) -> dict[str, object]:
    return {"network": key[0], "kind": key[1], "side": side, **told}


def test_networks_are_those_of_the_matrix(benchmark: ModuleType) -> None:
    known = {network.name for network in networks()}
    inference, training = (benchmark.chosen_networks(kind) for kind in benchmark.KINDS)
    assert known.issuperset((*inference, *training))
    assert len(set(inference)) == len(inference) >= 30
    assert len(set(training)) == len(training) >= 12


def test_what_was_measured_is_not_measured_again(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, begun = tmp_path / "results.jsonl", []

    def measured(key: tuple[str, str, str]) -> dict[str, object]:
        begun.append(key[2])
        return answer(key[:2], key[2], **OURS)

    monkeypatch.setattr(benchmark, "measured", measured)
    path.write_text(json.dumps(answer(LENET, "xir", **OURS)) + "\n")
    keys = [(*LENET, "xir"), (*LENET, "inductor")]
    assert [each["side"] for each in benchmark.rows(keys, path, again=False)] == ["xir", "inductor"]
    assert begun == ["inductor"]
    assert len(benchmark.results(path)) == len(path.read_text().splitlines()) == 2
    assert len([*benchmark.rows(keys, path, again=True)]) == 2
    assert begun == ["inductor", "xir", "inductor"]


@pytest.mark.parametrize(
    ("told", "is_wrong"),
    [
        ({"error": 2e-7}, False),
        ({"error": 2e-3}, True),
        ({"error": 2e-3, "round": 3e-6, "exact": 1e-13}, False),
        ({"error": 2e-3, "round": 3e-3, "exact": 1e-13}, True),
        ({"error": 2e-3, "round": 3e-6, "exact": 1e-7}, True),
        ({"failed": "it took longer than 300 s"}, True),
    ],
)
def test_what_is_wrong(benchmark: ModuleType, told: dict[str, object], is_wrong: bool) -> None:
    assert bool(benchmark.wrong(answer(LENET, "xir", **told))) is is_wrong


def test_tables_stand_between_their_marks(benchmark: ModuleType, tmp_path: Path) -> None:
    begin, end = benchmark.MARKS
    path = tmp_path / "table.md"
    path.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    kinked = {**OURS, "error": 2e-3, "round": 3e-6, "exact": 1e-13, "seconds": 16e-3}
    answers = [
        answer(LENET, "xir", **OURS),
        answer(LENET, "inductor", eager=4e-3, seconds=2e-3, low=0.4, high=0.6),
        answer(("torchvision.resnet18", "training"), "xir", **kinked),
        answer(("nn.unet", "training"), "inductor", failed="it took longer than 120 s"),
    ]
    benchmark.write(path, {(each["network"], each["kind"], each["side"]): each for each in answers})
    text = path.read_text()
    assert text.startswith(f"before\n{begin}\n\nInference:\n")
    assert text.endswith(f"{end}\nafter\n")
    assert "old" not in text
    assert "| nn.lenet | 4 ms | 1 ms | 2 ms | 0.25 | 0.20 to 0.50 | 2e-07 |" in text
    assert "| torchvision.resnet18 | 4 ms | 16 ms |  | 4.00 | 0.20 to 0.50 | 2e-03 (3e-06 round, 1e-13 in" in text
    assert "| nn.unet |  |  | late | | | |" in text
    assert "xir / eager 1.00 (of 2, of which 1 are slower); inductor / eager 0.50 (of 1, of which 0" in text
    assert "xir / inductor 0.50 (of 1). 2 of 2 networks answer as eager does." in text
    path.write_text("no marks")
    with pytest.raises(ValueError, match="has no lines"):
        benchmark.write(path, {})
