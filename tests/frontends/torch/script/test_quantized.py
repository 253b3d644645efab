"""Quantised tensors in code, against the definition in NumPy; layers of torch are among the recorded archives."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import InvalidModelError, UnsupportedError

X = np.random.default_rng(0).uniform(-1, 1, (1, 2, 4, 4)).astype(np.float32)
SCALE, ZERO = 0.015, 100


def rounded(x, scale=SCALE, zero=ZERO, least=0, most=255):
    """What quint8 elements stand for."""
    numbers = np.clip(np.rint(np.float32(x) / np.float32(scale)) + zero, least, most)
    return ((numbers - zero) * scale).astype(np.float32)


Q = rounded(X)
CASES = {
    "torch.quantize_per_tensor(x, 0.015, 100, 13)": Q,
    "torch.quantize_per_tensor(x, 0.02, 3, 12)": rounded(X, 0.02, 3, -128, 127),
    "torch.relu(q)": np.maximum(Q, 0),
    "torch.max_pool2d(q, [2, 2], [2, 2], [0, 0], [1, 1])": Q.reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
    "torch.select(q, 1, 0)": Q[:, 0],
    "torch.split(q, 1, 1)[1]": Q[:, 1:],
    "torch.mean(torch.slice(q, 2, 0, 3), [2])": rounded(Q[:, :, :3].mean(2)),
    "torch.hardtanh(q, -0.3, 0.3)": rounded(np.clip(Q, -0.3, 0.3)),
    "torch.hardtanh_(q, -0.3, 0.3)": rounded(np.clip(Q, -0.3, 0.3)),
    "torch.sigmoid(q)": rounded(1 / (1 + np.exp(-Q)), 1 / 256, 0),
    "torch.tanh(q)": rounded(np.tanh(Q), 2 / 256, 128),
    "ops.quantized.add(q, q, 0.03, 90)": rounded(2 * Q, 0.03, 90),
    "ops.quantized.add_relu(q, q, 0.03, 0)": rounded(np.maximum(2 * Q, 0), 0.03, 0),
    "ops.quantized.mul(q, q, 0.01, 7)": rounded(Q * Q, 0.01, 7),
    "ops.quantized.cat([q, q], 1, 0.02, 90)": rounded(np.concatenate([Q, Q], 1), 0.02, 90),
    "ops.quantized.cat([q, q], 1, None, None)": np.concatenate([Q, Q], 1),
    "ops.quantized.leaky_relu(q, 0.1, False, 0.02, 90)": rounded(np.where(Q > 0, Q, Q * np.float32(0.1)), 0.02, 90),
    "ops.quantized.sigmoid(q, 0.01, 5)": rounded(1 / (1 + np.exp(-Q)), 0.01, 5),
    "ops.quantized.dropout(q, 0.5, False)": Q,
    "torch.mul(torch.int_repr(q), 1.)": np.rint(Q / SCALE) + ZERO,
    "torch.mul(x, torch.q_scale(q))": X * np.float32(SCALE),
    "torch.mul(x, torch.q_zero_point(q))": X * ZERO,
    "torch.mul(x, ops.prim.dtype(q))": X * 13,
    "torch.mul(x, torch.size(q, 1))": X * 2,
    "torch.dequantize([q, x])[1]": X,
}


def body(expression):
    return f"""
        q = torch.quantize_per_tensor(x, {SCALE}, {ZERO}, 13)
        return torch.dequantize({expression})
    """


@pytest.mark.parametrize("expression", CASES)
def test_code(tmp_path, expression):
    graph = xir.load(write(tmp_path, net(body(expression))), inputs={"x": f"f32{list(X.shape)}"})
    for made in (xir.run(graph, {"x": X})["output"], xir.compile(graph).run(None, {"x": X})[0]):
        np.testing.assert_allclose(made, CASES[expression], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("expression", "error", "words"),
    [
        ("torch.add(q, 1)", UnsupportedError, "add of quantised tensors"),
        ("ops.quantized.conv2d(q, x, 0.1, 1)", InvalidModelError, "packed weights are needed"),
        ("ops.quantized.linear_prepack(x, None)", InvalidModelError, "a layer is packed of a tensor"),
        ("ops.quantized.add(x, q, 0.1, 1)", InvalidModelError, "a quantised tensor is needed"),
        ("ops.quantized.cat([], 1, 0.1, 1)", InvalidModelError, "no tensors are joined"),
        ("torch.quantize_per_tensor(x, 0.1, 1, 14)", UnsupportedError, "type number 14"),
        ("torch.quantize_per_tensor(x, torch.max(x), 1, 13)", UnsupportedError, "a scale that only the run knows"),
    ],
)
def test_what_is_no_such_tensor_is_refused(tmp_path, expression, error, words):
    path = write(tmp_path, net(body(expression)))
    with pytest.raises(error, match=words):
        xir.load(path, inputs={"x": f"f32{list(X.shape)}"})


RESTORED = """
    class Net(Module):
      __parameters__ = []
      __buffers__ = []
      scale : float
      def forward(self: __torch__.Net,
        x: Tensor) -> Tensor:
        scale = self.scale
        return torch.mul(x, scale)
      def __setstate__(self: __torch__.Net,
        state: Tuple[float, int]) -> NoneType:
        self.scale = torch.add((state)[0], (state)[1])
        return None
"""


def test_an_object_restores_itself(tmp_path):
    path = write(tmp_path, script_bytes(Made("__torch__.Net", (0.5, 2)), {"__torch__": RESTORED}))
    graph = xir.load(path, inputs={"x": "f32[3]"})
    np.testing.assert_array_equal(xir.run(graph, {"x": np.ones(3, np.float32)})["output"], [2.5] * 3)


def test_an_object_without_the_code_to_restore_itself_is_refused(tmp_path):
    code = RESTORED.replace("__setstate__", "restore")
    path = write(tmp_path, script_bytes(Made("__torch__.Net", (0.5, 2)), {"__torch__": code}))
    with pytest.raises(UnsupportedError, match="restored by code that the archive does not hold"):
        xir.load(path, inputs={"x": "f32[3]"})
