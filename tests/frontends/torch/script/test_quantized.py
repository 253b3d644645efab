"""Quantised tensors in code, against the definition in NumPy; layers of torch are among the recorded archives."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import InvalidModelError, UnsupportedError
from xir.frontends.torch.script.cells import packed_cell
from xir.frontends.torch.script.packed import packed_convolution, packed_embedding, packed_linear

X = np.random.default_rng(0).uniform(-1, 1, (1, 2, 4, 4)).astype(np.float32)
SCALE, ZERO = 0.015, 100


def rounded(x, scale=SCALE, zero=ZERO, least=0, most=255):
    """What quint8 elements stand for."""
    numbers = np.clip(np.rint(np.float32(x) / np.float32(scale)) + zero, least, most)
    return ((numbers - zero) * scale).astype(np.float32)


Q = rounded(X)
ODD = np.float32(0.015)
NUMBERS = np.clip(np.rint(X / ODD) + 101, 0, 255)


def averaged(steps):
    """What steps of the scale stand for: halves go to even steps."""
    return (np.rint(steps) * ODD).astype(np.float32)


EYE = "torch.reshape(torch.tensor([1., 0., 0., 1.]), [2, 2, 1, 1])"
EYE = f"torch.quantize_per_channel({EYE}, torch.tensor([0.1, 0.1]), torch.tensor([0, 0]), 0, 12)"
EYE = f"ops.quantized.conv2d_prepack({EYE}, None, [1, 1], [0, 0], [1, 1], 1)"
HALF = "ops.quantized.linear_prepack_fp16(torch.mul(torch.ones([3, 4]), 0.1), None)"
CASES = {
    f"ops.quantized.conv2d_add(q, q, {EYE}, 0.03, 90)": rounded(2 * Q, 0.03, 90),
    f"ops.quantized.conv2d_relu(q, {EYE}, [1, 1], [0, 0], [1, 1], 1, 0.015, 0)": rounded(np.maximum(Q, 0), SCALE, 0),
    f"ops.quantized.linear_dynamic_fp16(x, {HALF})": X @ np.full((4, 3), np.float16(0.1), np.float32),
    f"ops.quantized.linear_relu_dynamic_fp16(x, {HALF})": np.maximum(
        X @ np.full((4, 3), np.float16(0.1), np.float32), 0
    ),
    "torch.quantize_per_tensor(x, 0.015, 100, 13)": Q,
    "torch.quantize_per_tensor(x, 0.02, 3, 12)": rounded(X, 0.02, 3, -128, 127),
    "torch.relu(q)": np.maximum(Q, 0),
    "torch.max_pool2d(q, [2, 2], [2, 2], [0, 0], [1, 1])": Q.reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
    "torch.select(q, 1, 0)": Q[:, 0],
    "torch.split(q, 1, 1)[1]": Q[:, 1:],
    "torch.mean(torch.slice(q, 2, 0, 3), [2])": rounded(Q[:, :, :3].mean(2)),
    "torch.avg_pool2d(odd, [2, 2], [2, 2], [1, 1])": averaged(
        np.pad(NUMBERS - 101, ((0, 0), (0, 0), (1, 1), (1, 1))).reshape(1, 2, 3, 2, 3, 2).mean((3, 5))
    ),
    "torch.adaptive_avg_pool2d(odd, [2, 2])": averaged(NUMBERS.reshape(1, 2, 2, 2, 2, 2).mean((3, 5))) - ODD * 101,
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
    "ops.quantized.elu(q, 0.02, 90, 0.5)": rounded(np.where(Q > 0, Q, 0.5 * np.expm1(Q)), 0.02, 90),
    "ops.quantized.celu(q, 0.02, 90)": rounded(np.where(Q > 0, Q, np.expm1(Q)), 0.02, 90),
    "ops.quantized.hardswish(q, 0.02, 90)": rounded(Q * np.clip(Q + 3, 0, 6) / 6, 0.02, 90),
    "ops.quantized.softmax(q, 1, 0.01, 5)": rounded(np.exp(Q) / np.exp(Q).sum(1, keepdims=True), 0.01, 5),
    "ops.quantized.relu6(q, False)": np.clip(Q, 0, 6),
    "ops.quantized.threshold(q, 0.1, 0.3)": rounded(np.where(Q > 0.1, Q, 0.3)),
    "ops.quantized.clamp(q, -0.3, 0.3)": rounded(np.clip(Q, -0.3, 0.3)),
    "ops.quantized.max_pool2d(q, [2, 2], [2, 2], [0, 0], [1, 1], False)": Q.reshape(1, 2, 2, 2, 2, 2).max((3, 5)),
    "ops.quantized.matmul(q, q, 0.02, 90)": rounded(Q @ Q, 0.02, 90),
    "ops.quantized.add_scalar(q, 0.3)": Q + 20 * SCALE,
    "ops.quantized.add_scalar(q, 2.1)": rounded(Q + 140 * SCALE, (255 + 40) / 255 * SCALE, 0),
    "ops.quantized.add_scalar_relu(q, -3)": 0 * Q,
    "ops.quantized.mul_scalar(q, 0.5)": Q / 2,
    "ops.quantized.mul_scalar(q, -0.5)": -Q / 2,
    "ops.quantized.mul_scalar_relu(q, 0)": 0 * Q,
    "ops.quantized.mul(0.5, q)": Q / 2,
    "torch.cat([q, q], 1)": np.concatenate([Q, Q], 1),
    "torch.mul(torch.gt(q, q), 1.)": 0 * Q,
    "torch.quantize_per_channel(x, torch.tensor([0.015, 0.02]), torch.tensor([100, 3]), 1, 13)": np.stack(
        [Q[:, 0], rounded(X[:, 1], 0.02, 3)], 1
    ),
    "torch.mul(torch.int_repr(torch.quantize_per_channel(x, torch.tensor([0.015, 0.015]), torch.tensor([100, 100]),"
    " 1, 13)), 1.)": np.rint(Q / SCALE) + ZERO,
    "ops.quantized.sigmoid(q, 0.01, 5)": rounded(1 / (1 + np.exp(-Q)), 0.01, 5),
    "ops.quantized.dropout(q, 0.5, False)": Q,
    "torch.mul(torch.int_repr(q), 1.)": np.rint(Q / SCALE) + ZERO,
    "torch.mul(x, torch.q_scale(q))": X * np.float32(SCALE),
    "torch.mul(x, torch.q_zero_point(q))": X * ZERO,
    "torch.mul(x, ops.prim.dtype(q))": X * 13,
    "torch.mul(x, torch.size(q, 1))": X * 2,
    "torch.dequantize([q, x])[1]": X,
    f"torch._make_per_tensor_quantized_tensor(torch.int_repr(q), scale={SCALE}, zero_point={ZERO})": Q,
}


def body(expression):
    return f"""
        q = torch.quantize_per_tensor(x, {SCALE}, {ZERO}, 13)
        odd = torch.quantize_per_tensor(x, {SCALE}, 101, 13)
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
        ("ops.quantized.embedding_byte(x, x)", InvalidModelError, "packed weights are needed"),
        (
            "ops.quantized.embedding_bag_byte(x, x, None, False, 0, False, None, x, False)",
            UnsupportedError,
            "an embedding of which rows were left out",
        ),
        ("torch._make_per_tensor_quantized_tensor(x, 0.1, 1)", UnsupportedError, "quantised elements of"),
        ("torch.q_scale(x)", InvalidModelError, "a quantised tensor is needed"),
        ("torch.sigmoid(torch.quantize_per_tensor(x, 0.1, 1, 12))", UnsupportedError, "that are not quint8"),
        ("torch.quantize_per_tensor(x, 0.1, 1, [])", InvalidModelError, "in place of an element type"),
        ("ops.quantized.hardswish(q)", InvalidModelError, "hardswish of a quantised tensor lacks scale, zero"),
        ("ops.quantized.linear_dynamic_fp16(x, q)", InvalidModelError, "packed weights are needed"),
        ("ops.quantized.linear_prepack_fp16(2, q)", InvalidModelError, "a layer is packed of 2"),
        ("ops.quantized.linear_dynamic(2, q)", InvalidModelError, "2 in place of a tensor"),
        ("torch.quantize_per_channel(x, x, x, 1, 13)", UnsupportedError, "a scale or zero point that is computed"),
        ("torch.quantize_per_channel(x, x, x, 1, 14)", UnsupportedError, "type number 14"),
        ("ops.quantized.linear_prepack(x, None)", InvalidModelError, "a layer is packed of a tensor"),
        ("ops.quantized.add(x, q, 0.1, 1)", InvalidModelError, "a quantised tensor is needed"),
        ("ops.quantized.cat([], 1, 0.1, 1)", InvalidModelError, "no tensors are joined"),
        (
            "torch.quantized_lstm(x, x, [x], [x], True, 1, 0., False, False, False)",
            UnsupportedError,
            "packed sequences",
        ),
        ("torch.quantized_lstm(x, [x], [x], True, 1, 0., False, False, False)", InvalidModelError, "a recurrent layer"),
        ("ops.quantized.quantized_gru_cell_dynamic(x, x, x, x, x, x)", InvalidModelError, "a recurrent cell of"),
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


@pytest.mark.parametrize("kind", ["quantized", "quantized_fp16", "quantized_dynamic"])
def test_packed_cells_hold_two_layers(kind):
    with pytest.raises(InvalidModelError, match="packed weights of a recurrent layer hold"):
        packed_cell((kind, [], [], [1], [2, 3]))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([], "0 settings"),
        ([2, 1, 1], "3 settings"),
        ([1, 1, 0, 1, 0, 1, 0], "holds 3 and 4"),
    ],
)
def test_packed_convolutions_tell_all_settings(numbers, words):
    with pytest.raises(InvalidModelError, match=words):
        packed_convolution(numbers, 3, 4)


@pytest.mark.parametrize("make", [packed_linear, packed_embedding])
def test_packed_weights_hold_weights(make):
    with pytest.raises(InvalidModelError, match=r"a packed (linear layer|embedding) holds"):
        make((1, [2], "3"))
