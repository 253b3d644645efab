"""ONNX forms of recurrent layers: one operator each at every opset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, Refusal, onnx_value, operand, whole
from xir.ir.node import Node
from xir.ops._gates import HAS_ALPHA, HAS_BETA, GateFunction, GateName
from xir.ops.lstm import lstm
from xir.ops.rnn import gru, rnn

forms = Forms()

_NAMES: Mapping[GateName, str] = {
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "affine": "Affine",
    "leaky_relu": "LeakyRelu",
    "thresholded_relu": "ThresholdedRelu",
    "scaled_tanh": "ScaledTanh",
    "hard_sigmoid": "HardSigmoid",
    "elu": "Elu",
    "softsign": "Softsign",
    "softplus": "Softplus",
}
"""Functions by ONNX's names."""


def _layer(node: Node, kind: str, **more: OnnxAttribute) -> Answer:
    r = operand(node, 2)
    if not isinstance(r.shape[2], int):
        return Refusal(f"{kind} needs a known number of hidden units")
    functions = cast("tuple[GateFunction, ...]", node.attributes["functions"])
    alphas = tuple(alpha for name, alpha, _ in functions if name in HAS_ALPHA)
    betas = tuple(beta for name, _, beta in functions if name in HAS_BETA)
    attributes: dict[str, OnnxAttribute] = {
        "hidden_size": r.shape[2],
        "direction": onnx_value(node, "direction"),
        "activations": tuple(_NAMES[name] for name, _, _ in functions),
        **more,
    }
    if alphas:
        attributes["activation_alpha"] = alphas
    if betas:
        attributes["activation_beta"] = betas
    if node.attributes["clip"] is not None:
        attributes["clip"] = onnx_value(node, "clip")
    return Call(kind, node.inputs, attributes, optional=0)


@forms.of(rnn)
def _rnn(node: Node, opset: int) -> Answer:
    """RNN."""
    return _layer(node, "RNN")


@forms.of(gru)
def _gru(node: Node, opset: int) -> Answer:
    """GRU."""
    return _layer(node, "GRU", linear_before_reset=whole(node, "linear_before_reset"))


@forms.of(lstm)
def _lstm(node: Node, opset: int) -> Answer:
    """LSTM."""
    return _layer(node, "LSTM", input_forget=whole(node, "coupled"))
