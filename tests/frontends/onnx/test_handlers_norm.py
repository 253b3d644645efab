"""Normalizations while training, with statistics, in other types, in old wordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from tests.frontends.onnx.models import One, normal, saved
from xir.errors import InvalidModelError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run

X = normal(4, 3, 2, 5)
PARAMETERS = {name: np.abs(normal(3, seed=seed)) for seed, name in enumerate(("s", "b", "m", "v"))}
TRAINING = {"epsilon": 0.01, "momentum": 0.75}


def results(case: One, folder: Path) -> list[Array]:
    return list(run(import_onnx(saved(case.model(), folder)), case.feeds).values())


def trained(x: Array, given: Mapping[str, Array], axes: tuple[int, ...]) -> list[Array]:
    """y, the running statistics and those of the batch, by the formulas of onnx.defs."""
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    column = {name: array.reshape(shape) for name, array in given.items()}
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    y = (x - mean) / np.sqrt(variance + 0.01) * column["s"] + column["b"]
    running = [column["m"] * 0.75 + mean * 0.25, column["v"] * 0.75 + variance * 0.25]
    return [y, *(each.reshape(given["s"].shape) for each in (*running, mean, variance))]


@pytest.mark.parametrize(
    ("opset", "words", "outputs"),
    [
        (1, {"consumed_inputs": [0]}, 5),
        (6, {}, 1),
        (7, {}, 5),
        (9, {}, 3),
        (14, {"training_mode": 1}, 3),
        (15, {"training_mode": 1}, 1),
    ],
)
def test_batches_while_training(opset: int, words: dict[str, object], outputs: int, tmp_path: Path) -> None:
    case = One("BatchNormalization", opset, {"x": X, **PARAMETERS}, attributes={**TRAINING, **words}, outputs=outputs)
    wanted = trained(X, PARAMETERS, (0, 2, 3))
    for have, want in zip(results(case, tmp_path), wanted[:outputs], strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_each_element_over_the_batch_alone(tmp_path: Path) -> None:
    given = {name: np.abs(normal(3, 2, 5, seed=seed)) for seed, name in enumerate("sbmv")}
    words = {"epsilon": 0.01, "spatial": 0}
    (y,) = results(One("BatchNormalization", 7, {"x": X, **given}, attributes=words), tmp_path)
    wanted = (X - given["m"]) / np.sqrt(given["v"] + 0.01) * given["s"] + given["b"]
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)
    while_training = One("BatchNormalization", 7, {"x": X, **given}, attributes={**TRAINING, "spatial": 0}, outputs=5)
    for have, want in zip(results(while_training, tmp_path), trained(X, given, (0,)), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)


def test_the_first_versions_test_where_they_say_so(tmp_path: Path) -> None:
    case = One("BatchNormalization", 6, {"x": X, **PARAMETERS}, attributes={"is_test": 1})
    newer = One("BatchNormalization", 9, {"x": X, **PARAMETERS})
    np.testing.assert_array_equal(*results(case, tmp_path), *results(newer, tmp_path))


def test_one_axis_is_one_channel(tmp_path: Path) -> None:
    given = {name: array[:1] for name, array in PARAMETERS.items()}
    line = normal(5)
    (y,) = results(One("BatchNormalization", 15, {"x": line, **given}, attributes={"epsilon": 0.01}), tmp_path)
    wanted = (line - given["m"]) / np.sqrt(given["v"] + 0.01) * given["s"] + given["b"]
    np.testing.assert_allclose(y, wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_types_of_data_and_statistics_may_differ(dtype: type, tmp_path: Path) -> None:
    feeds = {"x": X.astype(dtype), **PARAMETERS}
    case = One("BatchNormalization", 15, feeds, attributes={**TRAINING, "training_mode": 1}, outputs=3)
    y, mean, variance = results(case, tmp_path)
    assert (y.dtype, mean.dtype, variance.dtype) == (dtype, np.float32, np.float32)
    np.testing.assert_allclose(mean, trained(feeds["x"].astype(np.float32), PARAMETERS, (0, 2, 3))[1], rtol=1e-5)


def test_two_halves_meet_in_single_precision(tmp_path: Path) -> None:
    given = {name: array.astype(ml_dtypes.bfloat16) for name, array in PARAMETERS.items()}
    case = One("BatchNormalization", 15, {"x": X.astype(np.float16), **given})
    graph = import_onnx(saved(case.model(), tmp_path))
    (node,) = (node for node in graph.nodes if node.op.name == "batch_norm")
    assert {str(value.dtype) for value in node.inputs if value is not None} == {"f32"}


def test_layers_with_statistics(tmp_path: Path) -> None:
    case = One("LayerNormalization", 17, {"x": X}, {"s": normal(2, 5)}, attributes={"axis": 2}, outputs=3)
    _, mean, inverse = results(case, tmp_path)
    np.testing.assert_allclose(mean, X.mean((2, 3), keepdims=True), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(inverse, 1 / np.sqrt(X.var((2, 3), keepdims=True) + 1e-5), rtol=1e-4)


@pytest.mark.parametrize(("number", "dtype"), [(1, np.float32), (16, ml_dtypes.bfloat16)])
def test_statistics_have_the_type_of_the_stash(number: int, dtype: type, tmp_path: Path) -> None:
    words = {"axis": 2, "stash_type": number}
    x = X.astype(np.float64)
    case = One("LayerNormalization", 17, {"x": x}, {"s": np.ones((2, 5))}, attributes=words, outputs=3)
    y, mean, inverse = results(case, tmp_path)
    assert (y.dtype, mean.dtype, inverse.dtype) == (np.float64, dtype, dtype)
    wanted = (X - X.mean((2, 3), keepdims=True)) / X.std((2, 3), keepdims=True)
    np.testing.assert_allclose(y, wanted, atol=1e-4 if number == 1 else 5e-2)


@pytest.mark.parametrize("kind", ["LayerNormalization", "RMSNormalization", "GroupNormalization"])
def test_a_wider_stash_says_the_same(kind: str, tmp_path: Path) -> None:
    size = X.shape[1] if kind == "GroupNormalization" else X.shape[3]
    opset = {"LayerNormalization": 17, "RMSNormalization": 23, "GroupNormalization": 21}[kind]
    given = {"s": normal(size)} | ({} if kind == "RMSNormalization" else {"b": normal(size, seed=2)})
    words = {"num_groups": 3} if kind == "GroupNormalization" else {}
    narrow, wide = (
        results(One(kind, opset, {"x": X}, given, attributes={**words, **more}), tmp_path)
        for more in ({}, {"stash_type": 11})
    )
    np.testing.assert_allclose(wide[0], narrow[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["LayerNormalization", "RMSNormalization"])
def test_a_scale_may_reach_over_axes_that_are_not_normalized(kind: str, tmp_path: Path) -> None:
    opset, scale = (17 if kind == "LayerNormalization" else 23), normal(3, 1, 5)
    whole = results(One(kind, opset, {"x": X}, {"s": scale}), tmp_path)
    plain = results(One(kind, opset, {"x": X}, {"s": np.ones(5, np.float32)}), tmp_path)
    np.testing.assert_allclose(whole[0], plain[0] * scale, rtol=1e-5, atol=1e-6)


def test_the_result_has_the_type_of_the_scale(tmp_path: Path) -> None:
    case = One("RMSNormalization", 23, {"x": X}, {"s": np.ones(5, np.float16)})
    assert results(case, tmp_path)[0].dtype == np.float16


def test_groups_share_a_scale_before_opset_21(tmp_path: Path) -> None:
    x, scale, shift = normal(2, 4, 3), normal(2), normal(2, seed=2)
    old = One("GroupNormalization", 18, {"x": x}, {"s": scale, "b": shift}, attributes={"num_groups": 2})
    each = {"s": scale.repeat(2), "b": shift.repeat(2)}
    new = One("GroupNormalization", 21, {"x": x}, each, attributes={"num_groups": 2})
    np.testing.assert_array_equal(*results(old, tmp_path), *results(new, tmp_path))


def test_no_groups_are_refused(tmp_path: Path) -> None:
    given = {"s": normal(2), "b": normal(2)}
    case = One("GroupNormalization", 18, {"x": normal(2, 4, 3)}, given, attributes={"num_groups": 0})
    with pytest.raises(InvalidModelError, match="num_groups is 0"):
        import_onnx(saved(case.model(), tmp_path))


def test_the_first_instances_are_the_later_ones(tmp_path: Path) -> None:
    given = {"s": normal(3), "b": normal(3, seed=2)}
    old = One("InstanceNormalization", 1, {"x": X}, given, attributes={"consumed_inputs": [0]})
    new = One("InstanceNormalization", 6, {"x": X}, given)
    np.testing.assert_array_equal(*results(old, tmp_path), *results(new, tmp_path))


@pytest.mark.parametrize("p", [1, 2])
def test_lines_without_length_stay_0(p: int, tmp_path: Path) -> None:
    x = np.array([[3, -4], [0, 0]], np.float32)
    (y,) = results(One("LpNormalization", 22, {"x": x}, attributes={"p": p}), tmp_path)
    np.testing.assert_allclose(y, [[3 / (7 if p == 1 else 5), -4 / (7 if p == 1 else 5)], [0, 0]], rtol=1e-6)
