"""Steps of training in the textual form: printed, read back, stored with their weights, compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xir.errors import FormatError, InvalidModelError
from xir.ir.constant import constant_of
from xir.ir.training import TrainingStep
from xir.text import first_difference, load_xir, parse_graph, print_graph, save_xir

TEXT = """xir 1
graph "net" {
  symbol N
  input %x: f32[N,2]
  parameter %w = f32[2](1.0, 2.0)
  %y: f32[N,2] = relu(%x)
  output "y" = %y
  training {
    initialization graph "begin" {
      %0: f32[2] = constant() {value=f32[2](0.5, 0.25)}
      output "w_0" = %0
    }
    initialization "w" = "w_0"
    algorithm graph "step" {
      input %x: f32[N,2]
      parameter %w = f32[2](1.0, 2.0)
      parameter %m = f32[2](0.0, 0.0)
      %w_new: f32[2] = add(%w, %m)
      %z: f32[N,2] = relu(%x)
      output "w_new" = %w_new
      output "z" = %z
    }
    algorithm "w" = "w_new"
    algorithm "m" = "w_new"
  }
  training {
  }
}
"""

ALGORITHM = TEXT[TEXT.index("    algorithm graph") : TEXT.index('    algorithm "w"')]


def test_it_is_printed_and_read_back():
    graph = parse_graph(TEXT)
    first, second = graph.training
    assert print_graph(graph) == TEXT
    assert first.initialization_bindings == (("w", "w_0"),)
    assert first.update_bindings == (("w", "w_new"), ("m", "w_new"))
    assert second.graphs == ()
    assert [graph.name_of(value) for value in graph.mutable] == ["w"]
    assert first.algorithm is not None
    assert first.algorithm.inputs[0].type == graph.inputs[0].type


def test_large_weights_of_a_step_lie_beside_the_text(tmp_path: Path):
    graph = parse_graph(TEXT)
    step = graph.training[0].algorithm
    assert step is not None
    big = constant_of(np.arange(100, dtype=np.float32))
    first = step.parameters[1]
    fresh = type(first.value)(big.type)
    more = replace(
        step,
        parameters=(*step.parameters, replace(first, value=fresh, constant=big)),
        names={**step.names, fresh: "big"},
    )
    graph = replace(graph, training=(replace(graph.training[0], algorithm=more),))
    save_xir(graph, tmp_path / "net.xir")
    assert len(list(tmp_path.iterdir())) == 2
    assert first_difference(graph, load_xir(tmp_path / "net.xir")) is None


@pytest.mark.parametrize(
    ("old", "new", "error", "reason"),
    [
        ('    algorithm "w" = "w_new"', '    algorithm "v" = "w_new"', InvalidModelError, "T1.*'v' = 'w_new'"),
        ('    algorithm "w" = "w_new"', '    algorithm "w" = "q"', InvalidModelError, "T1.*'w' = 'q'"),
        ('    algorithm "m" = "w_new"', '    algorithm "w" = "w_new"', InvalidModelError, "T1.*each once"),
        ('    algorithm "m" = "w_new"', '    algorithm "m" = "z"', InvalidModelError, r"T1.*the weight is f32\[2\]"),
        ("parameter %w = f32[2](1.0, 2.0)\n      p", "parameter %w = f32[1](1.0)\n      p", InvalidModelError, "."),
        (
            "      input %x: f32[N,2]",
            "      input %x: i32[N,2]",
            InvalidModelError,
            r"makes i32\[N,2\]",
        ),
        ('graph "begin" {', 'graph "begin" {\n      input %q: f32[2]', InvalidModelError, "T2"),
        ("  training {\n  }\n", "  training {\n    other\n  }\n", FormatError, "expected"),
        (ALGORITHM, ALGORITHM * 2, FormatError, "expected"),
        ("  training {\n  }\n}", '  training {\n  }\n  output "q" = %y\n}', FormatError, "expected an output"),
    ],
)
def test_what_contradicts_itself_is_refused(old: str, new: str, error: type[Exception], reason: str):
    assert TEXT.count(old) == 1
    with pytest.raises(error, match=reason):
        parse_graph(TEXT.replace(old, new))


def test_bodies_have_no_training():
    body = 'then=graph "b" { output "o" = %c training { } }'
    text = f'xir 1\ngraph "g" {{\n input %c: bool[]\n %y: bool[] = if_(%c) {{{body}}}\n output "y" = %y\n}}\n'
    with pytest.raises(FormatError):
        parse_graph(text)


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("  training {\n  }\n", "", "2 and 1 steps of training"),
        ('    algorithm "m" = "w_new"\n', "", "algorithm of training step 1 binds"),
        ("relu(%x)\n      output", "neg(%x)\n      output", "in algorithm of training step 1: node 'z' (relu) is neg"),
        ("f32[2](0.0, 0.0)", "f32[2](0.0, 1.0)", "in algorithm of training step 1: parameter 'm' has other elements"),
    ],
)
def test_steps_are_compared(old: str, new: str, difference: str):
    found = first_difference(parse_graph(TEXT), parse_graph(TEXT.replace(old, new)))
    assert found is not None
    assert found.startswith(difference)


def test_a_part_that_only_one_graph_has():
    graph = parse_graph(TEXT)
    step = graph.training[0]
    other = replace(graph, training=(TrainingStep(None, step.algorithm, (), step.update_bindings), graph.training[1]))
    bare = replace(graph, training=(replace(step, initialization_bindings=()), graph.training[1]))
    found = first_difference(bare, other)
    assert found == "initialization of training step 1 is there in one graph only"


def test_what_a_step_has_in_common_with_the_model_is_of_one_type():
    text = TEXT.replace("input %x: f32[N,2]\n      parameter %w", "input %x: f32[N,3]\n      parameter %w")
    with pytest.raises(InvalidModelError, match=r"T3: 'x' is f32\[N,2\], in training step 1 f32\[N,3\]"):
        parse_graph(text.replace("%z: f32[N,2]", "%z: f32[N,3]"))
