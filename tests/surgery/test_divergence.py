"""Two models that should agree: the first layer that differs is cut out of both."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.surgery.nets import chain
from xir.errors import UsageError
from xir.surgery import reduce_against


def test_the_layer_that_differs_is_cut_out_of_both():
    found = reduce_against(chain(40), chain(40, special=(23,)))
    assert found.layer == "layer23"
    assert ([n.op.name for n in found.a.nodes], [n.op.name for n in found.b.nodes]) == (["neg"], ["relu"])
    assert found.a.input_names == found.b.input_names == ("v22",)
    mine, theirs = (xir.run(part, found.feeds)["layer23"] for part in (found.a, found.b))
    np.testing.assert_allclose(np.abs(mine - theirs).max(), found.difference.max_absolute, rtol=1e-6)
    assert found.to_dict()["before"] == [40, 40]


def test_feeds_may_be_given_and_inputs_may_have_other_names():
    a, b = chain(6), chain(6, special=(3,))
    renamed = type(b)(b.name, b.inputs, b.outputs, b.output_names, (), {**b.names, b.inputs[0]: "data"})
    found = reduce_against(a, renamed, feeds={"x": np.full((2, 3), 0.5, np.float32)})
    assert found.layer == "layer3"


def test_models_that_agree_are_refused():
    with pytest.raises(UsageError, match="none of the 5 layers that both models have differs"):
        reduce_against(chain(5), chain(5))


def test_models_of_other_inputs_are_refused():
    from tests.surgery.nets import named

    with pytest.raises(UsageError, match="the models take"):
        reduce_against(chain(5), named("n", "m"))
