"""ONNX forms of support vector machines (ai.onnx.ml)."""

from __future__ import annotations

from xir.backends.export.onnx._form import (
    Answer,
    Call,
    Forms,
    OnnxAttribute,
    decomposed,
    onnx_value,
    operand,
    real,
)
from xir.ir.constant import Constant
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.svm import svm_classifier, svm_regressor

forms = Forms()

_KERNELS = {"linear": "LINEAR", "polynomial": "POLY", "rbf": "RBF", "sigmoid": "SIGMOID"}


def _floats(node: Node, name: str) -> tuple[float, ...]:
    value = node.attributes[name]
    return tuple(float(item) for item in value.array().reshape(-1).tolist()) if isinstance(value, Constant) else ()


def _kernel(node: Node) -> dict[str, OnnxAttribute]:
    return {
        "kernel_type": _KERNELS[str(node.attributes["kernel"])],
        "kernel_params": (real(node, "gamma"), real(node, "shift"), real(node, "degree")),
        "support_vectors": _floats(node, "vectors"),
        "coefficients": _floats(node, "coefficients"),
    }


@forms.of(svm_regressor)
def _svm_regressor(node: Node, opset: int) -> Answer:
    """SVMRegressor, of which runtimes have kernels for f32 alone."""
    vectors = node.attributes["vectors"]
    count = vectors.shape[0] if isinstance(vectors, Constant) else 0
    if operand(node).dtype is not DType.FLOAT32 or not count:
        return decomposed(node)
    attributes = {**_kernel(node), "n_supports": count, "rho": (real(node, "offset"),)}
    return Call("SVMRegressor", node.inputs, attributes, domain="ai.onnx.ml")


@forms.of(svm_classifier)
def _svm_classifier(node: Node, opset: int) -> Answer:
    """SVMClassifier."""
    attributes = {
        **_kernel(node),
        "vectors_per_class": onnx_value(node, "counts"),
        "rho": _floats(node, "offsets"),
    }
    for name, ours in (("prob_a", "slopes"), ("prob_b", "intercepts")):
        if node.attributes[ours] is not None:
            attributes[name] = _floats(node, ours)
    labels = node.attributes["labels"]
    if not isinstance(labels, Constant):
        raise TypeError("svm_classifier: labels are no constant")
    words = labels.dtype is DType.STRING
    held = labels.array().tolist()
    attributes["classlabels_strings" if words else "classlabels_ints"] = tuple(held)
    return Call("SVMClassifier", node.inputs, attributes, domain="ai.onnx.ml")
