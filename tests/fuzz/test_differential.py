"""The differential fuzzer's short run, its seeds, and the fuzzer itself: it must see what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import onnx
import onnx.reference
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.differences import difference
from tests.fuzz.explained import EXPLAINED, explanation
from tests.fuzz.judges import Finding, Judged
from tests.fuzz.programs import EXCLUDED, GENERATORS, blocks, random_sample
from tests.fuzz.runner import Outcome, judged_file, load, report, run_all, sample_of, save, unexplained
from tests.fuzz.sample import Sample
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ir.verify import verify
from xir.ops import table
from xir.ops.reduce import reduce_sum
from xir.reference import run

SEEDS = sorted((Path(__file__).parent / "seeds").glob("*.xir"))
"""Graphs that once showed something, named after what it was, and some of every kind."""

MAPS = {"cast_map", "dict_vectorizer", "zip_map"}
"""Operators whose examples are in test_maps.py."""


def told(outcomes: list[Outcome]) -> str:
    return "" if not unexplained(outcomes) else report(outcomes)


@pytest.mark.parametrize("first", [0, 100])
def test_two_hundred_random_graphs_agree_everywhere(first: int) -> None:
    assert told(run_all(0, range(first, first + 100), 1)) == ""


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 6))
def test_ten_thousand_random_graphs_agree_everywhere(seed: int) -> None:
    assert told(run_all(seed, range(2000), 2)) == ""


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_what_was_once_found_stays_mended(path: Path, tmp_path: Path) -> None:
    assert judged_file(path, tmp_path) == []


def test_a_graph_survives_the_corpus(tmp_path: Path) -> None:
    sample = load(SEEDS[0])
    save(sample, tmp_path / "again.xir")
    again = load(tmp_path / "again.xir")
    assert again.operators == sample.operators
    assert all(array.tobytes() == again.feeds[name].tobytes() for name, array in sample.feeds.items())


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_graphs_of_any_choices_are_right_and_run(random: Random) -> None:
    sample = random_sample(random)
    verify(sample.graph)
    assert list(run(sample.graph, sample.feeds)) == list(sample.graph.output_names)


def test_every_operator_is_a_building_block() -> None:
    assert set(blocks()) == set(table()) - MAPS - set(EXCLUDED)
    assert set(table()) >= GENERATORS


def test_one_seed_gives_one_graph() -> None:
    first, second = sample_of(3, 14), sample_of(3, 14)
    assert first[0].operators == second[0].operators
    assert first[1] == second[1]


def test_five_hundred_graphs_have_control_flow_states_and_quantised_operators() -> None:
    seen = {name for index in range(500) for name in sample_of(0, index)[0].operators}
    assert seen >= {"if", "loop", "scan", "lstm", "quantized_matmul", "sequence_at", "cast", "string_split"}


@pytest.mark.parametrize(
    ("want", "have", "how"),
    [
        (np.ones(2, np.float32), np.ones(2, np.float32), None),
        (np.ones(2, np.float32), np.ones(2), "type"),
        (np.ones(2), np.ones(3), "shape"),
        (np.ones(2), np.array([1.0, 1.1]), "values"),
        (np.ones(2), np.array([1.0, np.nan]), "NaN"),
        (np.ones(2), np.array([1.0, np.inf]), "infinity"),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), None),
        (np.array(["a"], object), np.array(["b"], object), "text"),
        ([np.ones(1)], [np.ones(1), np.ones(1)], "length"),
        ([np.ones(1)], np.ones(1), "form"),
        (None, None, None),
        (None, np.ones(1), "form"),
        (np.array([1, 2]), np.array([1, 3]), "values by one"),
        (np.array([1, 2]), np.array([1, 4]), "values"),
    ],
)
def test_a_difference_has_a_name(want: object, have: object, how: str | None) -> None:
    assert difference(want, have) == how


def test_bits_tell_zeros_apart() -> None:
    assert difference(np.array([0.0]), np.array([-0.0]), bits=True) == "sign of 0"
    assert difference(np.array([1.0]), np.nextafter([1.0], 2.0), bits=True) == "values"
    assert difference(np.array([np.nan]), np.array([-np.nan]), bits=True) is None


def wrong(sample: Sample, folder: Path) -> list[Finding]:
    """What is found where another runtime adds a thousandth to everything."""
    judge = Judged(sample, folder, 21, lambda _: None)

    def runner(graph: object, feeds: object) -> dict[str, object]:
        made = run(graph, feeds)  # type: ignore[arg-type]  # the judge's own
        return {name: array * array.dtype.type(1.25) for name, array in made.items()}  # type: ignore[operator]

    return list(judge.elsewhere("onnxruntime", runner))


def test_a_wrong_operator_is_named(tmp_path: Path) -> None:
    wanted = {"sin", "tanh", "exp", "erf", "abs", "cosh", "atan"}
    sample = next(each for index in range(2000) if wanted & set((each := sample_of(0, index)[0]).operators))
    assert {found.op for found in wrong(sample, tmp_path)} & set(sample.operators)


def test_outcomes_survive_a_file() -> None:
    outcome = Outcome(7, ["add"], [Finding("onnx", "add", "values", "1 and 2")], ["file"])
    assert Outcome.read(outcome.line()) == outcome


def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    kept = tmp_path / "results.jsonl"
    run_all(0, [0, 1], 1, kept)
    run_all(0, [2], 1, kept)
    assert sorted(Outcome.read(line).index for line in kept.read_text().splitlines()) == [0, 1, 2]


def plain(text: str) -> str:
    """Text without what differs by the width of a page."""
    return " ".join(text.split())


def text_of(operator: str) -> str:
    """All that the newest wording says of an operator: its text, its operands, results and attributes."""
    domain, _, name = operator.rpartition(":")
    words = onnx.defs.get_schema(name, domain)
    parts = [words.doc or "", *(each.description for each in (*words.inputs, *words.outputs))]
    return plain(" ".join([*parts, *(each.description or "" for each in words.attributes.values())]))


QUOTES = sorted({quote for each in EXPLAINED for quote in each.quotes})
LINES = sorted({line for each in EXPLAINED for line in each.lines})


@pytest.mark.parametrize(("operator", "words"), QUOTES)
def test_what_an_explanation_quotes_stands_in_the_text(operator: str, words: str) -> None:
    assert plain(words) in text_of(operator)


@pytest.mark.parametrize(("file", "line"), LINES)
def test_what_an_explanation_says_of_the_evaluator_stands_in_its_source(file: str, line: str) -> None:
    path = Path(onnx.reference.__file__).parent / "ops" / f"{file}.py"
    assert plain(line) in plain(path.read_text(encoding="utf-8"))


def test_every_explanation_says_why_and_where_to_look() -> None:
    assert [each for each in EXPLAINED if len(each.note) < 20] == []
    assert [each for each in EXPLAINED if not (each.quotes or each.lines or each.seen)] == []
    assert [each for each in EXPLAINED if each.judge == "onnx" and not (each.lines or each.seen)] == []
    assert explanation(Finding("onnx", "add", "values", "")) is None


def test_numbers_that_are_not_finite_hide_nothing_that_finite_ones_show(tmp_path: Path) -> None:
    x = Value(TensorType(DType.FLOAT32, (4,)))
    graph = Graph("sum", (x,), (reduce_sum(x, axes=(0,), keep_dims=False),), ("y",), names={x: "x"})
    array = np.array([1, np.nan, 2, np.inf], np.float32)

    def other(_: object, feeds: Mapping[str, np.ndarray]) -> dict[str, object]:
        y = feeds["x" if "x" in feeds else "x0"].sum() * 1.5
        return {"y": np.float32(-1.0 if np.isnan(y) else y), "y0": np.float32(-1.0 if np.isnan(y) else y)}

    found = list(Judged(Sample(graph, {"x": array}), tmp_path, 21, lambda _: None).elsewhere("onnxruntime", other))
    assert [(each.cause, explanation(each) is None) for each in found] == [("NaN", False), ("values", True)]


def test_a_report_names_what_is_not_explained() -> None:
    text = report([Outcome(3, ["add"], [Finding("passes", "add", "values", "1 and 2")])])
    assert "passes: add: values  (1: [3])" in text
    assert "1 disagreements in 1 groups are not explained" in text
