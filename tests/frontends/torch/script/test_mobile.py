"""Layers that `optimize_for_mobile` packed for XNNPACK, and what else stands in archives of other years."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.torch.script.archives import Made, net, script_bytes, write
from xir.errors import InvalidModelError, UsageError
from xir.frontends.torch.script.mobile import context

XNNPACK = "__torch__.torch.classes.xnnpack."
X = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4) / 8 - 1
KERNEL = np.array([[[[1, -1], [2, 0]]], [[[0, 1], [1, 1]]]], np.float32)
BIAS = np.array([0.5, -1], np.float32)


def convolved(x, kernel):
    """Every second 2 x 2 window."""
    windows = x[0, 0].reshape(2, 2, 2, 2).transpose(0, 2, 1, 3)
    return np.einsum("abij,oij->oab", windows, kernel[:, 0])[None]


CONVOLVED = convolved(X, KERNEL)
SETTINGS = ([2, 2], [0, 0], [1, 1], 1)
MATRIX = np.array([[1, 2, -3, 4], [0, -1, 1, 0]], np.float32)
SPREAD = np.einsum("aij,cuv->aiujv", X[0], KERNEL[:, 0].sum(0, keepdims=True)).reshape(1, 1, 8, 8)

CASES = {
    "a convolution": (
        "return ops.prepacked.conv2d_clamp_run(x, CONSTANTS.c0)",
        Made(f"{XNNPACK}Conv2dOpContext", (KERNEL, BIAS, *SETTINGS, None, None)),
        CONVOLVED + BIAS[:, None, None],
    ),
    "a convolution and hardtanh": (
        "return ops.prepacked.conv2d_clamp_run(x, CONSTANTS.c0)",
        Made(f"{XNNPACK}Conv2dOpContext", (KERNEL, None, *SETTINGS, -0.5, 0.25)),
        CONVOLVED.clip(-0.5, 0.25),
    ),
    "a linear layer and ReLU": (
        "return ops.prepacked.linear_clamp_run(x, CONSTANTS.c0)",
        Made(f"{XNNPACK}LinearOpContext", (MATRIX, BIAS, 0.0, None)),
        np.maximum(X @ MATRIX.T + BIAS, 0),
    ),
    "a transposed convolution": (
        "return ops.prepacked.conv2d_transpose_clamp_run(x, CONSTANTS.c0)",
        Made(f"{XNNPACK}TransposeConv2dOpContext",
             (KERNEL.sum(0, keepdims=True), None, [2, 2], [0, 0], [0, 0], [1, 1], 1, None, 1.0)),
        np.minimum(SPREAD, 1),
    ),
    "a layer that the code packs": (
        """
        _0 = ops.prepacked.linear_clamp_prepack(CONSTANTS.c0, None, output_max=0.5)
        return ops.prepacked.linear_clamp_run(x, _0)
        """,
        MATRIX,
        np.minimum(X @ MATRIX.T, 0.5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_packed_layers(tmp_path, case):
    body, constant, expected = CASES[case]
    files = {} if not isinstance(constant, Made) else {"code/__torch__/torch/classes/xnnpack.py": b""}
    graph = xir.load(write(tmp_path, net(body, constants=(constant,), **files)), inputs={"x": "f32[1,1,4,4]"})
    np.testing.assert_allclose(xir.run(graph, {"x": X})["output"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ((1, 2, 3), "holds a tuple"),
        ((MATRIX, None, *SETTINGS, None, None), "holds a"),
        (None, "holds None"),
    ],
)
def test_contexts_hold_what_their_layer_takes(state, words):
    with pytest.raises(InvalidModelError, match=words):
        context("torch.conv2d", state)


def test_bounds_are_numbers(tmp_path):
    packed = Made(f"{XNNPACK}LinearOpContext", (MATRIX, None, "a", None))
    body = "return ops.prepacked.linear_clamp_run(x, CONSTANTS.c0)"
    with pytest.raises(InvalidModelError, match=r"is bounded by .*'a'"):
        xir.load(write(tmp_path, net(body, constants=(packed,))), inputs={"x": "f32[1,1,4,4]"})


def test_names_that_no_packed_layer_has_are_told(tmp_path):
    body = "return ops.prepacked.linear_clamp_run(x, ops.prepacked.linear_clamp_prepack(CONSTANTS.c0, None, least=1))"
    with pytest.raises(InvalidModelError, match="has no least by name"):
        xir.load(write(tmp_path, net(body, constants=(MATRIX,))), inputs={"x": "f32[1,1,4,4]"})


def test_a_layer_is_that_of_its_operator(tmp_path):
    packed = Made(f"{XNNPACK}LinearOpContext", (MATRIX, None, None, None))
    body = "return ops.prepacked.conv2d_clamp_run(x, CONSTANTS.c0)"
    with pytest.raises(InvalidModelError, match=r"in place of a packed layer of torch\.conv2d"):
        xir.load(write(tmp_path, net(body, constants=(packed,))), inputs={"x": "f32[1,1,4,4]"})


def test_annotations_begin_as_a_list_and_tuples_are_cut(tmp_path):
    code = """\
        class Net(Module):
          __parameters__ = []
          __buffers__ = []
          __annotations__ = []
          __annotations__["0"] = Tensor
          def forward(self: __torch__.Net,
            x: Tensor) -> Tensor:
            _0 = (x, torch.neg(x), torch.mul(x, 3))
            _1, _2, = (_0)[1:3]
            return torch.add(_1, _2)
        """
    path = write(tmp_path, script_bytes(Made("__torch__.Net", {"0": X}), {"__torch__": code}))
    graph = xir.load(path, inputs={"x": "f32[2]"})
    np.testing.assert_array_equal(xir.run(graph, {"x": np.float32([1, 2])})["output"], [2, 4])


def test_a_part_of_a_type_ends(tmp_path):
    with pytest.raises(InvalidModelError, match="']' is expected"):
        xir.load(write(tmp_path, net("y = (x, x)[0 1]\nreturn y")), inputs={"x": "f32[2]"})


@pytest.mark.parametrize(
    ("type", "hint"),
    [
        ("List[Tensor]", "x.0=f32["),
        ("Tuple[List[Tensor], Tensor]", "x.0.0=f32["),
        ("Dict[str, Tensor]", "x.KEY=f32["),
        ("Optional[List[Tensor]]", "x.0=f32["),
        ("List[str]", "x.0=..."),
    ],
)
def test_items_of_containers_are_said_one_by_one(tmp_path, type, hint):
    path = write(tmp_path, net("return x", parameters=f"x: {type}"))
    with pytest.raises(UsageError, match="'x' is no tensor") as caught:
        xir.load(path, inputs={"x": "f32[2]"})
    assert f"--input {hint}" in (caught.value.hint or "")
    if not type.startswith(("Optional", "Tuple")):
        with pytest.raises(UsageError, match="does not tell") as caught:
            xir.load(path)
        assert f"--input {hint}" in (caught.value.hint or "")


def test_a_tensor_that_goes_to_its_own_device_is_written_through(tmp_path):
    body = """
        y = torch.mul(x, 2)
        _0 = torch.to(y, torch.device("cpu"), 6, False, False, None)
        _1 = torch.clamp_(torch.select(torch.slice(_0, 0, 0, 9223372036854775807, 1), 1, 0), 0, 3)
        return y
        """
    graph = xir.load(write(tmp_path, net(body)), inputs={"x": "f32[2,2]"})
    made = xir.run(graph, {"x": np.float32([[-1, -2], [5, 6]])})["output"]
    np.testing.assert_array_equal(made, [[0, -4], [3, 12]])
