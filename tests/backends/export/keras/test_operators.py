"""Every example of every operator as a model of Keras that our own reader takes back, with equal results or refused.

Layers have weights, so where an example is refused its operands but the first are weights.
`python -m tests.backends.export.keras.test_operators` writes the table anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.backends.export.examples import CASES, Examples
from xir.backends.export.keras import export_keras
from xir.ir.constant import Array, constant_of
from xir.ir.graph import Graph, Parameter
from xir.ir.types import TensorType

pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")


def with_weights(graph: Graph, feeds: Mapping[str, Array]) -> tuple[Graph, Mapping[str, Array]] | None:
    """The graph whose inputs but the first are weights, where they are of known sizes."""
    known = [value for value in graph.inputs if isinstance(value.type, TensorType) and value.type.static_shape]
    if len(graph.inputs) < 2 or known != [*graph.inputs]:
        return None
    first, *rest = graph.inputs
    named = dict(zip(graph.inputs, graph.input_names, strict=True))
    weights = tuple(Parameter(value, constant_of(feeds[named[value]], value.dtype)) for value in rest)
    made = Graph(graph.name, (first,), graph.outputs, graph.output_names, weights, graph.names)
    return made, {graph.input_names[0]: feeds[graph.input_names[0]]}


EXAMPLES = Examples(Path(__file__).with_name("operators.tsv"), "model.keras", export_keras, with_weights)


def test_one_example_of_each_operator_is_written(tmp_path: Path) -> None:
    EXAMPLES.check_one_of_each(tmp_path)


RULED = (
    *("arg_max", "average_pool", "bitwise_not", "celu", "clip", "conv", "conv_transpose", "cumsum", "div", "elu"),
    *("gather", "gather_elements", "gelu", "gemm", "gru", "leaky_relu", "log_softmax", "lstm", "matmul", "max_pool"),
    *("pad", "prelu", "reduce_mean", "resize", "reverse", "rnn", "scatter_nd", "split", "swish", "tile", "top_k"),
)
"""Operators whose layers have rules of their own."""


@pytest.mark.parametrize("name", RULED)
def test_examples_of_what_has_a_rule_of_its_own(name: str, tmp_path: Path) -> None:
    EXAMPLES.check_all(name, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", CASES)
def test_every_example_is_written_or_refused(name: str, tmp_path: Path) -> None:
    EXAMPLES.check_all(name, tmp_path)


if __name__ == "__main__":
    EXAMPLES.record()
