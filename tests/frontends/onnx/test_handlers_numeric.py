"""Signals, grids, sums of products, random numbers, losses and optimizers in the wordings that files have.

Most against onnxruntime, those that its CPU lacks or reads in another way against onnx's own reference evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, reference

from tests.frontends.onnx.models import One, i64, normal, saved
from xir.errors import InvalidModelError, UnsafeError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.frontends.onnx.handlers.random import seed_of_float
from xir.ir.constant import Array
from xir.reference import run

F32 = np.float32
SIGNAL = {"x": normal(1, 16, 1)}
IMAGE = {"x": normal(1, 2, 4, 5)}
TRAINING = "ai.onnx.preview.training"


def number(value: float, dtype: type = np.int64) -> Array:
    return np.asarray(value, dtype)


def signals() -> Iterator[One]:
    yield One("DFT", 17, SIGNAL, note="axis 1 by default")
    yield One("DFT", 17, SIGNAL, {"n": number(8)}, attributes={"axis": -2, "onesided": 1})
    yield One("DFT", 20, SIGNAL, note="axis -2 by default")
    yield One("DFT", 20, {"x": normal(4, 8, 2)}, {"a": number(0)}, ["x", "", "a"], {"inverse": 1})
    yield One("DFT", 20, {"x": normal(4, 8, 2), "a": number(1)}, {"n": number(4)}, ["x", "n", "a"], note="late axis")
    yield One("DFT", 20, {"x": normal(4, 8, 2), "n": number(4)}, note="length at run time")
    yield One("STFT", 17, SIGNAL, {"s": number(4), "w": np.hanning(8).astype(F32)})
    yield One("STFT", 17, SIGNAL, {"s": number(4), "n": number(8)}, ["x", "s", "", "n"], {"onesided": 0})
    fed = {**SIGNAL, "s": number(4), "w": np.hanning(8).astype(F32), "n": number(8)}
    yield One("STFT", 17, fed, note="at run time")
    for kind in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        yield One(kind, 17, {}, {"n": number(9)})
        yield One(kind, 17, {"n": number(9)}, attributes={"periodic": 0, "output_datatype": 11}, note="at run time")
    mel = {"bins": number(4), "points": number(32), "rate": number(8000)}
    edges = {"low": number(0, F32), "high": number(4000, F32)}
    yield One("MelWeightMatrix", 17, {}, {**mel, **edges})
    yield One("MelWeightMatrix", 17, {**mel, **edges}, note="at run time")


def algebra() -> Iterator[One]:
    yield One("Det", 11, {"x": normal(2, 3, 3)})
    yield One("Einsum", 12, {"x": normal(2, 3), "y": normal(3, 4)}, attributes={"equation": "ij, jk -> ki"})


def grids() -> Iterator[One]:
    theta, size = {"t": normal(1, 2, 3)}, {"n": i64(1, 1, 3, 4)}
    yield One("AffineGrid", 20, theta, size)
    yield One("AffineGrid", 20, {**theta, **size}, attributes={"align_corners": 1}, note="at run time")
    grid = {"g": np.tanh(normal(1, 3, 2, 2))}
    for mode in ("bilinear", "nearest", "bicubic"):
        yield One("GridSample", 16, {**IMAGE, **grid}, attributes={"mode": mode})
    yield One("GridSample", 20, {**IMAGE, **grid}, attributes={"mode": "linear", "padding_mode": "reflection"})
    bent = {"w": normal(2, 2, 2, 2), "o": normal(1, 8, 3, 4, seed=1)}
    yield One("DeformConv", 19, IMAGE, bent)
    masked = {**bent, "b": normal(2), "m": normal(1, 4, 3, 4)}
    yield One("DeformConv", 19, IMAGE, masked, attributes={"kernel_shape": [2, 2]})
    blocks = {"x": normal(1, 8, 6)}
    shapes = {"i": i64(3, 4), "b": i64(2, 2)}
    yield One("Col2Im", 18, blocks, shapes)
    yield One("Col2Im", 18, {**blocks, **shapes}, note="at run time")
    yield One("CenterCropPad", 18, IMAGE, {"s": i64(6, 3)}, attributes={"axes": [2, -1]})
    yield One("CenterCropPad", 18, {**IMAGE, "s": i64(1, 3, 5, 2)}, note="at run time")
    yield One(
        "MaxUnpool", 11, {"x": normal(1, 1, 2, 2)}, {"i": i64(5, 7, 13, 15).reshape(1, 1, 2, 2)}, attributes=PAIRS
    )


PAIRS = {"kernel_shape": [2, 2], "strides": [2, 2]}


def losses() -> Iterator[One]:
    scores, labels = {"x": normal(3, 5, 2)}, {"t": np.array([[0, 4], [2, 2], [1, 0]], np.int64)}
    weights = {"w": np.abs(normal(5, seed=2))}
    for reduction in ("none", "sum", "mean"):
        words = {"reduction": reduction, "ignore_index": 2}
        yield One("NegativeLogLikelihoodLoss", 13, scores, {**labels, **weights}, attributes=words)
        yield One("SoftmaxCrossEntropyLoss", 13, scores, {**labels, **weights}, attributes=words, outputs=2)
    yield One("SoftmaxCrossEntropyLoss", 12, {**scores, **labels})


def resizing() -> Iterator[One]:
    unknown = {"x": [1, 2, "h", "w"]}
    words = {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]}
    yield One("Resize", 18, IMAGE, {"n": i64(9, 5)}, ["x", "", "", "n"], words, shapes=unknown)
    scales = np.array([1, 1, 2, 0.5], F32)
    yield One("Resize", 13, IMAGE, {"s": scales}, ["x", "", "s"], {"mode": "linear"}, shapes=unknown)


CASES = [case for family in (signals, algebra, grids, losses, resizing) for case in family()]


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_onnxruntime_does(case: One, tmp_path: Path) -> None:
    import onnxruntime

    path = saved(case.model(), tmp_path)
    got = run(import_onnx(path), case.feeds)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    _assert_close(list(got.values()), [np.asarray(raw) for raw in session.run(None, dict(case.feeds))])


def _assert_close(got: list[Array], wanted: list[Array]) -> None:
    for have, want in zip(got, wanted, strict=True):
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(have.astype(np.float64), want.astype(np.float64), rtol=1e-4, atol=1e-5)


BY_REFERENCE = [
    One("DFT", 20, {"x": normal(1, 9, 2)}, attributes={"inverse": 1, "onesided": 1}),
    One("GridSample", 22, {"x": normal(1, 1, 4), "g": np.tanh(normal(1, 6, 1))}, attributes={"mode": "cubic"}),
    One(
        "MaxUnpool",
        11,
        {"x": normal(1, 1, 2, 2), "i": i64(5, 7, 13, 15).reshape(1, 1, 2, 2), "s": i64(1, 1, 5, 5)},
        attributes=PAIRS,
        note="size at run time",
    ),
    One(
        "MaxUnpool",
        9,
        {"x": normal(1, 1, 2, 2), "i": i64(5, 7, 13, 15).reshape(1, 1, 2, 2)},
        {"s": i64(1, 1, 5, 4)},
        attributes=PAIRS,
    ),
    One(
        "Dropout",
        13,
        {"x": normal(3, 4)},
        {"r": number(0.3, F32), "t": np.asarray(True)},
        attributes={"seed": 3},
        outputs=2,
    ),
    One("Dropout", 22, {"x": normal(3, 4), "r": number(0.3, F32), "t": np.asarray(True)}, attributes={"seed": 5}),
    One("Dropout", 13, {"x": normal(3, 4)}, {"r": number(0.3, F32), "t": np.asarray(False)}, outputs=2),
]


@pytest.mark.parametrize("case", BY_REFERENCE, ids=[f"{index}-{case}" for index, case in enumerate(BY_REFERENCE)])
def test_operator_computes_what_onnx_itself_does(case: One, tmp_path: Path) -> None:
    made = case.model()
    got = run(import_onnx(saved(made, tmp_path)), case.feeds)
    wanted = reference.ReferenceEvaluator(made).run(None, dict(case.feeds))
    _assert_close(list(got.values()), [np.asarray(raw) for raw in wanted])


def trained(kind: str, tensors: int, kinds: int, **attributes: object) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """A step of an optimizer, all operands fed."""
    feeds = {"r": number(0.1, F32), "t": number(2)}
    feeds |= {f"v{index}": np.abs(normal(2, 3, seed=index)) + F32(0.1) for index in range(tensors * kinds)}
    results = [f"y{index}" for index in range(tensors * (kinds - 1))]
    node = helper.make_node(kind, list(feeds), results, domain=TRAINING, **attributes)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    graph = helper.make_graph([node], "step", inputs, [onnx.ValueInfoProto(name=name) for name in results])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(TRAINING, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10), feeds


MOMENTUM = {"alpha": 0.9, "beta": 0.5, "norm_coefficient": 0.01}
STEPS = [
    ("Adagrad", 2, 3, {"decay_factor": 0.1}),
    ("Adam", 1, 4, {}),
    ("Adam", 2, 4, {"norm_coefficient_post": 0.1}),
    ("Momentum", 2, 3, {**MOMENTUM, "mode": "standard"}),
    ("Momentum", 1, 3, {**MOMENTUM, "mode": "nesterov"}),
]


@pytest.mark.parametrize(("kind", "tensors", "kinds", "attributes"), STEPS)
def test_optimizers_step_as_onnx_itself_does(
    kind: str, tensors: int, kinds: int, attributes: dict[str, object], tmp_path: Path
) -> None:
    made, feeds = trained(kind, tensors, kinds, **attributes)
    got = run(import_onnx(saved(made, tmp_path)), feeds)
    wanted = reference.ReferenceEvaluator(made).run(None, feeds)
    # The evaluator's Adam answers f64 for one tensor of f32, against ONNX's own types.
    _assert_close(list(got.values()), [np.asarray(raw).astype(F32) for raw in wanted])


@pytest.mark.parametrize(
    ("kind", "tensors", "attributes", "text"),
    [
        ("Momentum", 3, {**MOMENTUM, "mode": "fast"}, "expected one of standard, nesterov"),
        ("Adam", 3, {}, "3 tensors are not 4 for each"),
    ],
)
def test_optimizers_that_do_not_fit_are_refused(
    kind: str, tensors: int, attributes: dict[str, object], text: str, tmp_path: Path
) -> None:
    made, _ = trained(kind, 1, tensors, **attributes)
    with pytest.raises(InvalidModelError, match=text):
        import_onnx(saved(made, tmp_path))


DRAWN = [
    (One("RandomUniform", 1, {}, attributes={"shape": [400], "seed": 1.0, "low": -1.0, "high": 3.0}), 1.0, 4 / 12**0.5),
    (One("RandomNormal", 22, {}, attributes={"shape": [400], "seed": 2.0, "mean": 5.0, "scale": 2.0}), 5.0, 2.0),
    (One("RandomUniformLike", 1, {"x": normal(400)}), 0.5, 1 / 12**0.5),
    (One("RandomNormalLike", 22, {"x": normal(400)}, attributes={"dtype": 11}), 0.0, 1.0),
    (One("Bernoulli", 15, {"x": np.full(400, 0.25, F32)}, attributes={"dtype": 6}), 0.25, 0.1875**0.5),
    (One("Multinomial", 7, {"x": np.log(np.array([[1, 3]], F32))}, attributes={"sample_size": 400}), 0.75, 0.1875**0.5),
]


@pytest.mark.parametrize(("case", "mean", "deviation"), DRAWN, ids=[str(case) for case, *_ in DRAWN])
def test_random_numbers_have_their_mean_and_deviation(case: One, mean: float, deviation: float, tmp_path: Path) -> None:
    graph = import_onnx(saved(case.model(), tmp_path))
    (drawn,) = run(graph, case.feeds).values()
    assert drawn.size == 400
    # Four standard errors of a mean of 400 draws: the seeds are fixed, so this holds always or never.
    assert abs(float(drawn.astype(np.float64).mean()) - mean) < 4 * deviation / 20
    assert abs(float(drawn.astype(np.float64).std()) - deviation) < 0.2 * deviation
    (again,) = run(graph, case.feeds).values()
    np.testing.assert_array_equal(again, drawn)


def test_two_nodes_without_a_seed_draw_other_numbers(tmp_path: Path) -> None:
    nodes = [helper.make_node("RandomNormal", [], [f"y{index}"], shape=[8]) for index in range(2)]
    graph = helper.make_graph(nodes, "two", [], [onnx.ValueInfoProto(name=f"y{index}") for index in range(2)])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    first, second = run(import_onnx(saved(made, tmp_path)), {}).values()
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("seed", "expected"), [(3.0, 3), (0.0, 0), (0.5, (1 << 32) + 0x3F000000), (-1.0, (1 << 32) + 0xBF800000)]
)
def test_a_float_seed_is_its_number_or_its_bits(seed: float, expected: int) -> None:
    assert seed_of_float(seed) == expected


DROPPED = [
    (One("Dropout", 1, {"x": np.ones(400, F32)}, attributes={"is_test": 0, "ratio": 0.25}, outputs=2), 0.75),
    (One("Dropout", 6, {"x": np.ones(400, F32)}, attributes={"is_test": 1}, outputs=2), 1.0),
    (One("Dropout", 7, {"x": np.ones(400, F32)}, attributes={"ratio": 0.25}, outputs=2), 1.0),
    (One("Dropout", 10, {"x": np.ones(400, F32)}, attributes={"ratio": 0.25}, outputs=2), 1.0),
    (One("Dropout", 13, {"x": np.ones(400, F32), "r": number(0.5, F32)}, outputs=2), 1.0),
]


@pytest.mark.parametrize(("case", "share"), DROPPED, ids=[str(case) for case, _ in DROPPED])
def test_dropout_drops_in_training_alone(case: One, share: float, tmp_path: Path) -> None:
    result, kept = run(import_onnx(saved(case.model(), tmp_path)), case.feeds).values()
    assert float(kept.astype(np.float64).mean()) == pytest.approx(share, abs=0.1 if share < 1 else 0)
    assert kept.dtype == (np.bool_ if case.opset >= 10 else F32)
    np.testing.assert_allclose(result, kept.astype(np.float64) / share, rtol=1e-6)


def test_upsample_of_opset_1_has_two_scales(tmp_path: Path) -> None:
    case = One("Upsample", 1, IMAGE, attributes={"height_scale": 2.0, "width_scale": 1.0})
    (made,) = run(import_onnx(saved(case.model(), tmp_path)), case.feeds).values()
    np.testing.assert_array_equal(made, np.repeat(IMAGE["x"], 2, axis=2))


OLD_POOLS = [
    (
        One("LpPool", 1, IMAGE, attributes={"kernel_shape": [2, 2], "p": 3.0}),
        One("LpPool", 2, IMAGE, attributes={"kernel_shape": [2, 2], "p": 3}),
    ),
    (One("GlobalLpPool", 1, IMAGE, attributes={"p": 3.0}), One("GlobalLpPool", 2, IMAGE, attributes={"p": 3})),
    (
        One("AveragePool", 1, IMAGE, attributes={"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}),
        One("AveragePool", 7, IMAGE, attributes={"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}),
    ),
]


@pytest.mark.parametrize(("old", "new"), OLD_POOLS, ids=[str(old) for old, _ in OLD_POOLS])
def test_pools_of_opset_1_are_those_of_later_ones(old: One, new: One, tmp_path: Path) -> None:
    results = [run(import_onnx(saved(case.model(), tmp_path)), IMAGE) for case in (old, new)]
    _assert_close(list(results[0].values()), list(results[1].values()))


BOXES = {"b": normal(1, 4, 4), "s": np.abs(normal(1, 1, 4))}
CROP = "tf_crop_and_resize"
REFUSED: list[tuple[One, type[XirError], str]] = [
    (
        One("Resize", 13, IMAGE, {"s": np.ones(4, F32), "n": i64(1, 2, 4, 5)}, ["x", "", "s", "n"]),
        InvalidModelError,
        "not both",
    ),
    (
        One("Resize", 13, IMAGE, {"r": np.ones(8, F32)}, ["x", "r"], {"coordinate_transformation_mode": CROP}),
        InvalidModelError,
        "either scales or sizes",
    ),
    (One("DFT", 20, SIGNAL, {"a": number(2)}, ["x", "", "a"]), InvalidModelError, "last axis"),
    (One("DFT", 17, {"x": normal(1, 4, 3)}), InvalidModelError, "1.*2"),
    (One("DFT", 17, {"x": normal(1, 4, 2)}, attributes={"onesided": 1}), InvalidModelError, "needs real"),
    (One("STFT", 17, {"x": normal(4)}, {"s": number(2)}), InvalidModelError, "N, L, 1"),
    (One("STFT", 17, SIGNAL, {"s": number(2), "n": number(20)}, ["x", "s", "", "n"]), InvalidModelError, "shorter"),
    (
        One("HannWindow", 17, {}, {"n": number(9)}, attributes={"output_datatype": 99}),
        InvalidModelError,
        "no element type 99",
    ),
    (One("HannWindow", 17, {}, {"n": number(9)}, attributes={"output_datatype": 9}), InvalidModelError, "number type"),
    (One("HannWindow", 17, {}, {"n": i64(1, 2)}), InvalidModelError, "number of elements"),
    (One("Det", 11, {"x": normal(2, 3)}), InvalidModelError, "square"),
    (One("Einsum", 12, {"x": normal(2, 3)}, attributes={"equation": "i1"}), InvalidModelError, "no equation"),
    (One("Einsum", 12, {"x": normal(2, 3)}, attributes={"equation": "ij,jk"}), InvalidModelError, "2 terms for 1"),
    (One("Einsum", 12, {"x": normal(2, 3)}, attributes={"equation": "i->i"}), InvalidModelError, "1 labels|has 1"),
    (One("Einsum", 12, {"x": normal(2, 3)}, attributes={"equation": "ij->k"}), InvalidModelError, "no operand has"),
    (One("Einsum", 12, {"x": normal(2, 3)}, attributes={"equation": "ii"}), InvalidModelError, "label 'i'"),
    (
        One("Einsum", 12, {"x": normal(2), "y": normal(2, 3)}, attributes={"equation": "...,..."}),
        InvalidModelError,
        "ellipses",
    ),
    (One("AffineGrid", 20, {"t": normal(1, 2, 3)}, {"n": i64(1, 1, 3)}), InvalidModelError, "maps"),
    (One("GridSample", 20, {**IMAGE, "g": normal(1, 3, 2, 3)}), InvalidModelError, "coordinates of a point"),
    (One("DeformConv", 19, IMAGE, {"w": normal(2, 2, 2, 2), "o": normal(1, 8, 3, 3)}), InvalidModelError, "offsets"),
    (
        One(
            "DeformConv",
            19,
            IMAGE,
            {"w": normal(2, 2, 2, 2), "o": normal(1, 8, 3, 4)},
            attributes={"kernel_shape": [3, 3]},
        ),
        InvalidModelError,
        "kernel_shape",
    ),
    (
        One(
            "DeformConv", 19, IMAGE, {"w": normal(2, 2, 2, 2), "o": normal(1, 8, 3, 4)}, attributes={"offset_group": 3}
        ),
        InvalidModelError,
        "groups of offsets",
    ),
    (
        One(
            "DeformConv",
            19,
            {**IMAGE, "w": normal(2, 2, 2, 2)},
            {"o": normal(1, 8, 3, 4)},
            shapes={"w": [2, 2, "k", 2]},
        ),
        UnsupportedError,
        "window",
    ),
    (One("Col2Im", 18, {"x": normal(1, 7, 6)}, {"i": i64(3, 4), "b": i64(2, 2)}), InvalidModelError, "multiple"),
    (
        One("Col2Im", 18, {"x": normal(1, 8, 6)}, {"i": i64(3, 4), "b": i64(2, 2)}, attributes={"pads": [1]}),
        InvalidModelError,
        "1 pads",
    ),
    (
        One("Col2Im", 18, {"x": normal(1, 8, 6), "i": i64(3, 4), "b": i64(2, 2)}, shapes={"i": ["k"], "b": ["k"]}),
        UnsupportedError,
        "whose number is not known",
    ),
    (
        One("Col2Im", 18, {"x": normal(1, 8, 6), "i": i64(3, 4), "b": i64(2, 2)}, shapes={"i": [1 << 31]}),
        UnsafeError,
        "2147483648 dimensions",
    ),
    (One("CenterCropPad", 18, IMAGE, {"s": i64(6, 3)}), InvalidModelError, "2 sizes for 4 axes"),
    (One("MaxUnpool", 11, {"x": normal(4), "i": i64(0, 1, 2, 3)}, attributes=PAIRS), InvalidModelError, "spatial"),
    (
        One(
            "MaxUnpool",
            11,
            {"x": normal(1, 1, 2, 2), "i": np.zeros((1, 1, 2, 2), np.int64)},
            attributes={"kernel_shape": [2]},
        ),
        InvalidModelError,
        "kernel_shape",
    ),
    (
        One(
            "MaxUnpool",
            11,
            {"x": normal(1, 1, 2, 2), "i": np.zeros((1, 1, 2, 2), np.int64)},
            {"s": i64(5, 5)},
            attributes=PAIRS,
        ),
        InvalidModelError,
        "2 sizes for 4 axes",
    ),
    (One("RandomNormal", 1, {}, attributes={"shape": [2], "scale": -1.0}), InvalidModelError, ">= 0"),
    (One("RandomNormal", 1, {}, attributes={"shape": [2], "dtype": 7}), InvalidModelError, "floating-point"),
    (One("Bernoulli", 15, {"x": normal(2)}, attributes={"dtype": 8}), InvalidModelError, "number type or bool"),
    (One("Multinomial", 7, {"x": normal(1, 2)}, attributes={"sample_size": 0}), InvalidModelError, "at least one draw"),
    (One("Multinomial", 7, {"x": normal(1, 0)}), InvalidModelError, "no class"),
    (One("Dropout", 13, {"x": normal(2)}, {"r": number(1.5, F32), "t": np.asarray(True)}), InvalidModelError, "rate"),
    (One("NegativeLogLikelihoodLoss", 13, {"x": normal(2, 3), "t": i64(0)}), InvalidModelError, "differ"),
    (
        One("SoftmaxCrossEntropyLoss", 13, {"x": normal(2, 3), "t": i64(0, 1)}, attributes={"reduction": "max"}),
        InvalidModelError,
        "none, sum, mean",
    ),
    (
        One("Upsample", 1, {"x": normal(1, 2, 3)}, attributes={"height_scale": 2.0, "width_scale": 1.0}),
        InvalidModelError,
        "N, C, H, W",
    ),
    (One("Resize", 13, IMAGE, {"r": i64(1, 2)}, ["x", "", "", "r"]), InvalidModelError, "2 sizes or scales for 4 axes"),
    (One("GlobalLpPool", 1, IMAGE, attributes={"p": 0.0}), InvalidModelError, "positive"),
    (One("NonMaxSuppression", 11, BOXES, {"m": i64(1), "o": number(2, F32)}), InvalidModelError, "iou_threshold"),
]


@pytest.mark.parametrize(("case", "kind", "text"), REFUSED, ids=[f"{i}-{case}" for i, (case, *_) in enumerate(REFUSED)])
def test_refusals_name_the_node_and_the_cause(case: One, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text) as caught:
        import_onnx(saved(case.model(), tmp_path))
    if kind is InvalidModelError:
        assert (caught.value.source.layer, caught.value.source.kind) == ("node", case.kind)


LATE: list[tuple[One, str]] = [
    (One("DFT", 20, {**SIGNAL, "a": number(2)}, inputs=["x", "", "a"]), "holds the parts"),
    (One("DFT", 20, {**SIGNAL, "n": number(0)}), "at least one point"),
    (One("STFT", 17, {**SIGNAL, "s": number(0), "w": np.ones(4, F32)}), "do not fit a signal"),
    (One("HannWindow", 17, {"n": number(-1)}), "-1 points"),
    (One("AffineGrid", 20, {"t": normal(1, 2, 3), "n": i64(2, 1, 3, 4)}), "do not fit a size"),
    (One("Col2Im", 18, {"x": normal(1, 8, 6), "i": i64(3, 5), "b": i64(2, 2)}), "are not the blocks"),
    (One("CenterCropPad", 18, {"x": normal(2), "s": i64(-1)}), "sizes must be >= 0"),
    (One("Dropout", 13, {"x": normal(2), "r": number(1.5, F32), "t": np.asarray(True)}), "the rate lies"),
    (One("NegativeLogLikelihoodLoss", 13, {"x": normal(2, 3), "t": i64(0, 3)}), "targets lie in"),
    (One("Resize", 13, {**IMAGE, "s": np.array([1, 1, -1, 1], F32)}, inputs=["x", "", "s"]), "scales must be positive"),
    (One("Resize", 13, {**IMAGE, "s": i64(1, 2, -1, 1)}, inputs=["x", "", "", "s"]), "cannot be resized"),
    (One("Resize", 13, {**IMAGE, "s": i64(1, 2, 1 << 20, 1 << 20)}, inputs=["x", "", "", "s"]), "makes more than"),
    (One("NonMaxSuppression", 11, {**BOXES, "m": i64(1), "o": number(2, F32)}), "iou_threshold"),
    (
        One(
            "MelWeightMatrix",
            17,
            {"b": number(0), "n": number(8), "r": number(8), "l": number(0, F32), "h": number(4, F32)},
        ),
        "0 bands",
    ),
    (
        One(
            "MelWeightMatrix",
            17,
            {"b": number(2), "n": number(8), "r": number(8), "l": number(0, F32), "h": number(400, F32)},
        ),
        "leave the spectrum",
    ),
]


@pytest.mark.parametrize(("case", "text"), LATE, ids=[f"{index}-{case}" for index, (case, _) in enumerate(LATE)])
def test_operands_that_do_not_fit_are_refused_at_run_time(case: One, text: str, tmp_path: Path) -> None:
    graph = import_onnx(saved(case.model(), tmp_path))
    with pytest.raises(XirError, match=text):
        run(graph, case.feeds)
