"""Losses over classes: against Caffe itself, against Caffe's loops written out, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.ops.caffe_oracles import real_caffe
from tests.ops.evaluate import Operator, evaluate, evaluate_all, placeholders
from xir.autodiff.reverse import grad
from xir.errors import InvalidModelError
from xir.ir.constant import Array
from xir.ir.dims import Symbol
from xir.ir.graph import Graph
from xir.ir.node import Value
from xir.ir.types import DType, TensorType
from xir.ops.distance import contrastive_loss, euclidean_loss
from xir.ops.loss import (
    accuracy,
    hinge_loss,
    infogain_loss,
    multinomial_logistic_loss,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from xir.reference import run

RANDOM = np.random.default_rng(3)
X = (RANDOM.normal(size=(2, 4, 3, 2)) * 3).astype(np.float32)
LABELS = RANDOM.integers(0, 4, size=(2, 1, 3, 2)).astype(np.float32)
FLAT = (RANDOM.normal(size=(5, 4)) * 2).astype(np.float32)
CLASSES = np.array([0, 3, 1, 1, 2], np.float32)
GAIN = RANDOM.random((1, 1, 4, 4)).astype(np.float32)
PROBABILITY = RANDOM.dirichlet(np.ones(4), 5).astype(np.float32)
TARGETS = RANDOM.integers(-1, 2, size=(5, 4)).astype(np.float32)
OTHER = (RANDOM.normal(size=(5, 4)) * 2).astype(np.float32)
SIMILAR = np.array([1, 0, 0, 1, 0], np.float32)
FEEDS = {
    "x": X,
    "labels": LABELS,
    "flat": FLAT,
    "classes": CLASSES,
    "gain": GAIN,
    "probability": PROBABILITY,
    "targets": TARGETS,
    "other": OTHER,
    "similar": SIMILAR,
}
MODES = ("full", "valid", "batch_size", "none")


def layer(kind: str, name: str, bottoms: str, more: str = "") -> str:
    listed = " ".join(f'bottom: "{bottom}"' for bottom in bottoms.split())
    return f'layer {{ name: "{name}" type: "{kind}" {listed} top: "{name}" {more} }}\n'


def test_every_loss_is_what_caffe_itself_computes(tmp_path: Path) -> None:
    text = ""
    ours: dict[str, Array] = {}
    for mode in MODES:
        for ignore in (None, 1):
            param = (
                f"loss_param {{ normalization: {mode.upper()} {'' if ignore is None else f'ignore_label: {ignore}'} }}"
            )
            given = {"ignore_label": ignore, "normalization": mode}
            name = f"{mode}{ignore}"
            text += layer("SoftmaxWithLoss", "softmax" + name, "x labels", param)
            ours["softmax" + name] = evaluate(softmax_cross_entropy, X, LABELS, axis=1, **given)
            text += layer("InfogainLoss", "gain" + name, "x labels gain", param)
            ours["gain" + name] = evaluate(infogain_loss, X, LABELS, GAIN, axis=1, **given)
            text += layer("SigmoidCrossEntropyLoss", "sigmoid" + name, "flat targets", param)
            ours["sigmoid" + name] = evaluate(sigmoid_cross_entropy, FLAT, TARGETS, **given)
    for norm in ("l1", "l2"):
        text += layer("HingeLoss", "hinge" + norm, "flat classes", f"hinge_loss_param {{ norm: {norm.upper()} }}")
        ours["hinge" + norm] = evaluate(hinge_loss, FLAT, CLASSES, norm=norm)
    for legacy in (False, True):
        param = f"contrastive_loss_param {{ margin: 6 legacy_version: {str(legacy).lower()} }}"
        text += layer("ContrastiveLoss", f"contrastive{legacy}", "flat other similar", param)
        ours[f"contrastive{legacy}"] = evaluate(contrastive_loss, FLAT, OTHER, SIMILAR, margin=6.0, legacy=legacy)
    text += layer("EuclideanLoss", "euclidean", "flat other")
    ours["euclidean"] = evaluate(euclidean_loss, FLAT, OTHER)
    text += layer("MultinomialLogisticLoss", "multinomial", "probability classes")
    ours["multinomial"] = evaluate(multinomial_logistic_loss, PROBABILITY, CLASSES)
    for top_k in (1, 2):
        param = f"accuracy_param {{ top_k: {top_k} ignore_label: 1 }}"
        text += layer("Accuracy", f"accuracy{top_k}", "x labels", param + f' top: "classes{top_k}"')
        found = evaluate_all(accuracy, X, LABELS, axis=1, top_k=top_k, ignore_label=1)
        ours[f"accuracy{top_k}"], ours[f"classes{top_k}"] = found
    theirs = real_caffe(text, FEEDS, {}, tmp_path)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=2e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("ignore", [None, 1])
def test_softmax_cross_entropy_is_the_loop_of_caffe(mode: str, ignore: int | None) -> None:
    x, labels = X.astype(np.float64), LABELS.astype(int)
    loss, count = 0.0, 0
    for n, h, w in np.ndindex(2, 3, 2):
        label = labels[n, 0, h, w]
        if label == ignore:
            continue
        column = np.exp(x[n, :, h, w])
        loss -= np.log(max(column[label] / column.sum(), 1.17549435e-38))
        count += 1
    divisor = max({"full": 12, "valid": count, "batch_size": 2, "none": 1}[mode], 1)
    ours = evaluate(softmax_cross_entropy, X, LABELS, axis=1, ignore_label=ignore, normalization=mode)
    assert float(ours) == pytest.approx(loss / divisor, rel=1e-6)


def test_a_probability_of_nothing_costs_the_logarithm_of_the_smallest_float() -> None:
    x, labels = np.array([[500.0, 0.0]]), np.array([1])
    ours = evaluate(softmax_cross_entropy, x, labels, axis=1, ignore_label=None, normalization="valid")
    assert float(ours) == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_where_every_label_is_ignored_the_loss_is_zero() -> None:
    ours = evaluate(softmax_cross_entropy, FLAT, np.full(5, 9), axis=1, ignore_label=9, normalization="valid")
    assert float(ours) == 0


def gradients(build: Operator, *arrays: Array, **attributes: object) -> dict[str, Array]:
    """The gradient of a loss with respect to its first operand, with 1 flowing in."""
    values = [value for value in placeholders(*arrays) if value is not None]
    loss = build(*values, **attributes)
    assert isinstance(loss, Value)
    names = {value: f"x{index}" for index, value in enumerate(values)}
    graph = Graph("loss", tuple(values), (loss,), ("loss",), names=names)
    derived = grad(graph, "loss", ["x0"])
    return run(derived, {name: dict(zip(names.values(), arrays, strict=True))[name] for name in derived.input_names})


def test_the_gradient_of_softmax_cross_entropy_ignores_the_clamp_as_caffe_does() -> None:
    x, labels = np.array([[500.0, 0.0]]), np.array([1])
    found = gradients(softmax_cross_entropy, x, labels, axis=1, ignore_label=None, normalization="valid")
    np.testing.assert_allclose(found["grad_x0"], [[1.0, -1.0]])


def test_the_gradient_of_contrastive_loss_is_caffes_with_its_small_number_under_the_distance() -> None:
    x, y, margin = FLAT.astype(np.float64), OTHER.astype(np.float64), 6.0
    y[4] = x[4]
    found = gradients(contrastive_loss, x, y, SIMILAR, margin=margin)["grad_x0"]
    for row, similar in enumerate(SIMILAR):
        difference = x[row] - y[row]
        distance = np.sqrt(np.sum(difference**2))
        pushed = -(margin - distance) / (distance + 1e-4) if margin > distance else 0.0
        np.testing.assert_allclose(found[row], (1.0 if similar else pushed) / 5 * difference, rtol=1e-9)


def value(dtype: DType, *shape: int | Symbol) -> Value:
    return Value(TensorType(dtype, shape))


F32, I64 = DType.FLOAT32, DType.INT64
SOFTMAX = {"axis": 1, "ignore_label": None, "normalization": "valid"}


@pytest.mark.parametrize(
    ("operator", "operands", "attributes", "words"),
    [
        (softmax_cross_entropy, [value(I64, 2, 3), value(I64, 2)], SOFTMAX, "floating-point"),
        (softmax_cross_entropy, [value(F32, 2, 3), value(I64, 3)], SOFTMAX, "needs 2 labels"),
        (softmax_cross_entropy, [value(F32, 2, 3), value(DType.BOOL, 2)], SOFTMAX, "labels are numbers"),
        (softmax_cross_entropy, [value(F32, 2), value(I64, 2)], SOFTMAX, "axis 1 does not exist"),
        (infogain_loss, [value(F32, 2, 3), value(I64, 2), value(F32, 3, 2)], SOFTMAX, "matrix of 3 x 3"),
        (infogain_loss, [value(F32, 2, 3), value(I64, 2), value(DType.FLOAT64, 3, 3)], SOFTMAX, "matrix of 3 x 3"),
        (hinge_loss, [value(F32, 2, 3), value(I64, 3)], {"norm": "l1"}, "needs 2 labels"),
        (hinge_loss, [value(F32), value(I64)], {"norm": "l1"}, "batch axis"),
        (multinomial_logistic_loss, [value(F32, 2, 3), value(DType.BOOL, 2)], {}, "labels are numbers"),
        (
            sigmoid_cross_entropy,
            [value(F32, 2, 3), value(F32, 2, 2)],
            {"ignore_label": None, "normalization": "full"},
            "as many elements",
        ),
        (accuracy, [value(F32, 2, 3), value(I64, 2)], {"axis": 1, "top_k": 4}, "top_k must lie in"),
        (accuracy, [value(F32, 2, 3), value(I64, 2)], {"axis": 1, "top_k": 0}, "top_k must lie in"),
    ],
)
def test_operands_that_do_not_fit_are_refused(
    operator: Operator, operands: list[Value], attributes: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidModelError, match=words):
        operator(*operands, **attributes)


@pytest.mark.parametrize("label", [3, -1, np.nan, 1e30])
def test_a_label_that_is_no_class_is_refused(label: float) -> None:
    labels = np.array([0.0, label])
    with pytest.raises(InvalidModelError, match="none of the 3 classes"):
        evaluate(softmax_cross_entropy, np.zeros((2, 3)), labels, **SOFTMAX)


def test_sizes_may_be_unknown_until_the_run() -> None:
    n, h = Symbol("N"), Symbol("H")
    made = softmax_cross_entropy(value(F32, n, 4, h), value(I64, n, h), axis=1, ignore_label=None, normalization="full")
    assert made.type == TensorType(F32, ())
