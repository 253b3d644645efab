"""Sizes that only the run finds out, of tensors of which the code reads nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import net, write

X = np.asarray([1, 0, 2, 0, 3], np.float32)
COUNT = "torch.size(torch.nonzero(x), 0)"
CASES = {
    f"torch.zeros([{COUNT}, 2])": np.zeros((3, 2)),
    f"torch.arange({COUNT})": np.arange(3),
    f"torch.eye({COUNT})": np.eye(3),
    f"torch.expand(torch.ones([1, 2]), [{COUNT}, 2])": np.ones((3, 2)),
    "torch.softmax(torch.ones_like(torch.index(x, [torch.gt(x, 0)])), 0)": np.full(3, 1 / 3),
    f"torch.sub(torch.rand([{COUNT}, 2]), 2.)": None,
    f"torch.add(torch.zeros([{COUNT}]), torch.index(x, [torch.gt(x, 0)]))": np.asarray([1, 2, 3]),
}


@pytest.mark.parametrize("expression", CASES)
def test_code(tmp_path, expression):
    graph = xir.load(write(tmp_path, net(f"\n        return {expression}\n    ")), inputs={"x": "f32[N]"})
    for made in (xir.run(graph, {"x": X})["output"], xir.compile(graph).run(None, {"x": X})[0]):
        if CASES[expression] is None:
            assert made.shape == (3, 2)
            assert (made < -1).all()
        else:
            np.testing.assert_allclose(made, CASES[expression], rtol=1e-6)
