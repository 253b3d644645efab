"""Models, encoders and the preparation of features of ai.onnx.ml: by hand, and against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from tests.frontends.onnx.ml import Ml, assert_same, tensor
from tests.frontends.onnx.models import normal, saved
from xir.backends.export.onnx import export_onnx
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array

F32 = np.float32
X = normal(4, 3)
NAN = np.array([[np.nan, 1.0, 0.0], [2.0, np.nan, 0.0]], F32)
WORDS = np.array([["Amy", "Dori"], ["Sally", "Amy"]], object)
SHARES = np.array([[0.25, 0.5], [0.75, 0.125]], F32)


def floats(*shape: int, seed: int = 1) -> list[float]:
    return [float(item) for item in normal(*shape, seed=seed).reshape(-1)]


def agreeing() -> Iterator[Ml]:
    """What onnxruntime computes in the same way."""
    yield Ml("LinearRegressor", 1, [X], {"coefficients": floats(3), "intercepts": [0.5]})
    yield Ml("LinearRegressor", 1, [X], {"coefficients": floats(6), "targets": 2}, note="no intercepts")
    yield Ml("LinearRegressor", 1, [X], {"coefficients": floats(6), "targets": 2, "post_transform": "SOFTMAX"})
    three = {"coefficients": floats(9), "intercepts": floats(3), "classlabels_ints": [7, 8, 9]}
    for transform in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        yield Ml("LinearClassifier", 1, [X], {**three, "post_transform": transform}, 2, note=transform)
    words = {"classlabels_strings": ["a", "b", "c"], "coefficients": floats(9), "intercepts": floats(3)}
    yield Ml("LinearClassifier", 1, [X.astype(np.float64)], {**words, "multi_class": 1}, 2, note="words")
    yield Ml("LinearClassifier", 1, [np.array([[1, 2, 3]])], words, 2, note="whole numbers")
    chances = {"coefficients": [1.0], "post_transform": "PROBIT"}
    yield Ml("LinearRegressor", 1, [np.array([[0.5], [0.975], [0.01], [1.5]], F32)], chances)
    for norm in ("MAX", "L1", "L2"):
        rows = np.concatenate((X, np.zeros((1, 3), F32)))
        yield Ml("Normalizer", 1, [rows], {"norm": norm}, note=norm)
    yield Ml("Normalizer", 1, [X[0]], {"norm": "L2"}, note="a vector")
    yield Ml("Scaler", 1, [X], {"offset": floats(3), "scale": floats(3, seed=2)})
    yield Ml("Scaler", 1, [X], {"offset": [0.5], "scale": [2.0]}, note="one for all")
    yield Ml("Scaler", 1, [np.array([[1, 2, 3]])], {"offset": [0.5], "scale": [2.0]}, note="whole numbers")
    yield Ml("Scaler", 1, [X.astype(np.float64)], {"offset": floats(3), "scale": floats(3)}, note="doubles")
    yield Ml("Binarizer", 1, [X], {"threshold": 0.25})
    yield Ml("Binarizer", 1, [X])
    yield Ml("Imputer", 1, [NAN], {"replaced_value_float": float("nan"), "imputed_value_floats": [5.0, 6.0, 7.0]})
    yield Ml("Imputer", 1, [NAN], {"replaced_value_float": 0.0, "imputed_value_floats": [5.0]}, note="zero")
    whole = {"replaced_value_int64": 2, "imputed_value_int64s": [9, 8]}
    yield Ml("Imputer", 1, [np.array([[1, 2], [2, 4]])], whole, note="whole numbers")
    yield Ml("FeatureVectorizer", 1, [X, SHARES.repeat(2, 0)], {"inputdimensions": [3, 2]})
    yield Ml("ArrayFeatureExtractor", 1, [X, np.array([2, 0])])
    yield Ml("ArrayFeatureExtractor", 1, [X, np.array([[1]])], note="a matrix of indices")
    yield Ml("ArrayFeatureExtractor", 1, [X[0], np.array([2, 0])], note="a vector")
    yield Ml("ArrayFeatureExtractor", 1, [WORDS, np.array([1])], note="words")
    yield from encoders()
    yield from machines()


def encoders() -> Iterator[Ml]:
    yield Ml("LabelEncoder", 1, [WORDS], {"classes_strings": ["Amy", "Sally"], "default_int64": -7})
    yield Ml("LabelEncoder", 1, [np.array([1, 0, 5])], {"classes_strings": ["Amy", "Sally"]}, note="back")
    names, ages = {"keys_strings": ["Amy", "Sally"]}, {"values_int64s": [5, 6]}
    yield Ml("LabelEncoder", 2, [WORDS], {**names, **ages})
    yield Ml("LabelEncoder", 2, [WORDS], {**names, "values_floats": [0.5, 1.5], "default_float": 2.5})
    yield Ml("LabelEncoder", 2, [WORDS], {**names, "values_strings": ["x", "y"], "default_string": "z"})
    yield Ml("LabelEncoder", 2, [np.array([5, 7])], {"keys_int64s": [5, 6], "values_strings": ["x", "y"]})
    yield Ml("LabelEncoder", 4, [WORDS], {**names, **ages, "default_int64": 0})
    nan = {"keys_floats": [float("nan"), 1.0], "values_int64s": [3, 4]}
    yield Ml("LabelEncoder", 4, [np.array([np.nan, 1, 2], F32)], nan, note="NaN")
    tables = {"keys_tensor": tensor(np.array([1, 2])), "values_tensor": tensor(np.array([0.5, 1.5], F32))}
    yield Ml("LabelEncoder", 4, [np.array([2, 3])], {**tables, "default_tensor": tensor(np.array([9.0], F32))})
    mapped = {"cats_int64s": [5, 6], "cats_strings": ["Amy", "Sally"]}
    yield Ml("CategoryMapper", 1, [WORDS], {**mapped, "default_int64": -3})
    yield Ml("CategoryMapper", 1, [np.array([6, 7])], {**mapped, "default_string": "?"}, note="back")
    yield Ml("OneHotEncoder", 1, [WORDS], {"cats_strings": ["Sally", "Amy"]})
    yield Ml("OneHotEncoder", 1, [np.array([[2, 9]])], {"cats_int64s": [1, 2]})
    yield Ml("OneHotEncoder", 1, [np.array([2.75, 1.0], F32)], {"cats_int64s": [1, 2]}, note="floats")
    yield Ml("OneHotEncoder", 1, [np.array([2, 1])], {"cats_int64s": [1, 2], "zeros": 0}, note="all known")


def machines() -> Iterator[Ml]:
    parameters = {"kernel_params": [0.25, 0.5, 3.0]}
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        shape = {**parameters, "kernel_type": kernel}
        held = {**shape, "coefficients": floats(5), "support_vectors": floats(5, 3, seed=2), "n_supports": 5}
        yield Ml("SVMRegressor", 1, [X], {**held, "rho": [0.5]}, note=kernel)
        vectors = {**shape, "support_vectors": floats(5, 3, seed=3), "coefficients": floats(2, 5, seed=4)}
        three = {**vectors, "vectors_per_class": [2, 1, 2], "classlabels_ints": [3, 4, 5], "rho": [0.1, 0.2, -0.3]}
        yield Ml("SVMClassifier", 1, [X], three, 2, note=kernel)
        two = {
            **vectors,
            "coefficients": floats(5),
            "vectors_per_class": [2, 3],
            "classlabels_strings": ["a", "b"],
            "rho": [0.1],
        }
        yield Ml("SVMClassifier", 1, [X], two, 2, note=f"{kernel}, two")
        yield Ml("SVMClassifier", 1, [X], {**two, "prob_a": [-1.5], "prob_b": [0.25]}, 2, note=f"{kernel}, two, odds")
        odds = {"prob_a": [-1.5, -1.0, -2.0], "prob_b": [0.25, 0.0, -0.5]}
        yield Ml("SVMClassifier", 1, [X], {**three, **odds}, 2, note=f"{kernel}, odds")
    linear = {**parameters, "coefficients": floats(3), "rho": [0.5], "kernel_type": "LINEAR"}
    yield Ml("SVMRegressor", 1, [X], {**linear, "n_supports": 0}, note="linear")
    yield Ml("SVMRegressor", 1, [X], {**linear, "n_supports": 0, "one_class": 1}, note="one class")
    plain = {**linear, "coefficients": floats(9), "classlabels_ints": [3, 4, 5]}
    for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
        yield Ml("SVMClassifier", 1, [X], {**plain, "post_transform": transform}, 2, note=f"linear {transform}")


AGREEING = list(agreeing())


@pytest.mark.parametrize("case", AGREEING, ids=[f"{index}-{case}" for index, case in enumerate(AGREEING)])
def test_it_computes_what_onnxruntime_does(case: Ml, tmp_path: Path) -> None:
    got = case.computed(tmp_path)
    want = case.by_onnxruntime()
    assert_same(got, want, 2e-4)
    for have, expected in zip(got, want, strict=True):
        assert have.dtype == (expected.dtype if expected.dtype.kind != "U" else object)


def without(attributes: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name not in names}


def logistic(x: NDArray[np.float64]) -> Array:
    return np.asarray(1 / (1 + np.exp(np.negative(x))))


SCORE = X.astype(np.float64) @ np.array([1.0, -2.0, 0.5]) + 0.25
LABELS = np.where(SCORE > 0, 20, 10)
ONE_SCORE = {"coefficients": [1.0, -2.0, 0.5], "intercepts": [0.25], "classlabels_ints": [10, 20]}
PAIR = np.stack([-SCORE, SCORE], axis=1)
DUEL = {
    "coefficients": [1.0, -2.0],
    "support_vectors": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "vectors_per_class": [1, 1],
    "classlabels_ints": [10, 20],
    "rho": [0.25],
}
DUELS = X.astype(np.float64) @ np.array([1.0, -2.0, 0.0]) + 0.25

BY_HAND: list[tuple[Ml, list[object]]] = [
    (Ml("LinearClassifier", 1, [X], ONE_SCORE, 2), [LABELS, PAIR]),
    (Ml("LinearClassifier", 1, [X], {**ONE_SCORE, "post_transform": "LOGISTIC"}, 2), [LABELS, logistic(PAIR)]),
    (Ml("LinearClassifier", 1, [X[0]], ONE_SCORE, 2, note="a vector"), [LABELS[:1], PAIR[:1]]),
    (
        Ml("LinearClassifier", 1, [X], {"coefficients": [1.0, -2.0, 0.5], "classlabels_ints": [10, 20]}, 2),
        [np.where(SCORE > 0.25, 20, 10), PAIR + np.array([[0.25, -0.25]])],
    ),
    (
        Ml("LinearRegressor", 1, [X], {"coefficients": [1.0, -2.0, 0.5], "post_transform": "LOGISTIC"}),
        [logistic(SCORE - 0.25)[:, None]],
    ),
    (Ml("LinearRegressor", 1, [X.astype(np.float64)], {"coefficients": [1.0, 0.0, 0.0]}), [X[:, :1]]),
    (
        Ml("SVMClassifier", 1, [X], {**DUEL, "post_transform": "LOGISTIC"}, 2),
        [np.where(DUELS > 0, 10, 20), logistic(np.stack([-DUELS, DUELS], axis=1))],
    ),
    (
        Ml("SVMRegressor", 1, [X], {"coefficients": [1.0, -2.0, 0.5], "rho": [0.25], "post_transform": "LOGISTIC"}),
        [logistic(SCORE)[:, None]],
    ),
    (Ml("LinearClassifier", 1, [X], {**ONE_SCORE, "classlabels_ints": [5]}, 2), [LABELS // 10 - 1, SCORE[:, None]]),
    (
        Ml("LinearClassifier", 1, [X], {**without(ONE_SCORE, "classlabels_ints"), "classlabels_strings": ["a"]}, 2),
        [[str(label // 10 - 1) for label in LABELS.tolist()], SCORE[:, None]],
    ),
    (Ml("Binarizer", 1, [np.array([1, 2, -2])], {"threshold": 1.5}), [[0, 1, 0]]),
    (Ml("Binarizer", 1, [np.array([1, 2, -2])], {"threshold": -1.5}), [[1, 1, 0]]),
    (Ml("Binarizer", 1, [np.array([1], np.int32)], {"threshold": 1e30}), [[0]]),
    (Ml("Binarizer", 1, [np.array([1], np.int32)], {"threshold": float("-inf")}), [[1]]),
    (Ml("Binarizer", 1, [np.array(3)], {"threshold": 1.0}, note="a scalar"), [1]),
    (Ml("Imputer", 1, [np.array(2)], {"replaced_value_int64": 2, "imputed_value_int64s": [9]}), [9]),
    (Ml("Scaler", 1, [X]), [X]),
    (Ml("Scaler", 1, [np.array(3.0, F32)], {"offset": [1.0], "scale": [2.0]}), [4.0]),
    (Ml("FeatureVectorizer", 1, [X, X], {"inputdimensions": [2, 4]}), [np.c_[X[:, :2], X, np.zeros(4)]]),
    (Ml("FeatureVectorizer", 1, [X[0]], {"inputdimensions": [3]}, note="a vector"), [X[:1]]),
    (Ml("FeatureVectorizer", 1, [np.array([[1, 2]]), np.array([[3]])], {}), [[[1.0, 2.0, 3.0]]]),
    (
        Ml("LabelEncoder", 1, [WORDS], {"classes_strings": ["Amy", "Sally", "Amy"]}, note="the first of equal ones"),
        [[[0, -1], [1, 0]]],
    ),
    (
        Ml("LabelEncoder", 4, [np.array([1, 2])], {"keys_int64s": [1, 2, 1], "values_int64s": [5, 6, 7]}),
        [[7, 6]],
    ),
    (
        Ml(
            "LabelEncoder",
            2,
            [np.array([np.nan, -0.0], F32)],
            {"keys_floats": [float("nan"), 0.0], "values_int64s": [5, 6]},
        ),
        [[5, 6]],
    ),
    (
        Ml(
            "LabelEncoder",
            4,
            [np.array([3, 4], np.int16)],
            {"keys_tensor": tensor(np.array([3], np.int16)), "values_tensor": tensor(np.array([0.5]))},
        ),
        [[0.5, -0.0]],
    ),
]


@pytest.mark.parametrize(
    ("case", "wanted"), BY_HAND, ids=[f"{index}-{case}" for index, (case, _) in enumerate(BY_HAND)]
)
def test_it_computes_what_the_words_say(case: Ml, wanted: list[object], tmp_path: Path) -> None:
    assert_same(case.computed(tmp_path), wanted, 1e-4)


WRONG: list[tuple[Ml, type[XirError], str]] = [
    (Ml("LinearRegressor", 1, [X]), InvalidModelError, "'coefficients' is missing"),
    (Ml("LinearRegressor", 1, [X], {"coefficients": floats(4)}), InvalidModelError, "4 coefficients of 1 targets"),
    (
        Ml("LinearRegressor", 1, [X], {"coefficients": floats(3), "intercepts": [1.0, 2.0]}),
        InvalidModelError,
        "2 intercepts for 1",
    ),
    (Ml("LinearRegressor", 1, [X], {"coefficients": floats(3), "targets": 0}), InvalidModelError, "of 0 targets"),
    (Ml("LinearClassifier", 1, [X], {"coefficients": floats(3)}, 2), InvalidModelError, "one of 'classlabels_ints'"),
    (
        Ml("LinearClassifier", 1, [X], {"coefficients": floats(9), "classlabels_ints": [1, 2]}, 2),
        InvalidModelError,
        "3 scores, but 2 labels",
    ),
    (Ml("Scaler", 1, [X], {"offset": [1.0, 2.0]}), InvalidModelError, "'offset' has 2 numbers for 3 features"),
    (Ml("Normalizer", 1, [X], {"norm": "L3"}), InvalidModelError, "expected one of MAX, L1, L2"),
    (Ml("Imputer", 1, [X], {"imputed_value_floats": [1.0, 2.0]}), InvalidModelError, "2 imputed values for 3"),
    (Ml("Imputer", 1, [X], {"imputed_value_int64s": [1]}), InvalidModelError, "0 imputed values"),
    (Ml("FeatureVectorizer", 1, [X], {"inputdimensions": [1, 2]}), InvalidModelError, "2 inputdimensions for 1"),
    (Ml("FeatureVectorizer", 1, [X], {"inputdimensions": [-1]}), InvalidModelError, "'inputdimensions' has -1"),
    (Ml("ArrayFeatureExtractor", 1, [np.array(1.0, F32), np.array([0])]), InvalidModelError, "must have an axis"),
    (Ml("LabelEncoder", 2, [WORDS], {"keys_strings": ["a"]}), InvalidModelError, r"values_\* must be given, got 0"),
    (
        Ml("LabelEncoder", 2, [WORDS], {"keys_strings": ["a"], "values_int64s": [1, 2]}),
        InvalidModelError,
        "1 keys and 2 values",
    ),
    (
        Ml(
            "LabelEncoder",
            4,
            [WORDS],
            {"keys_strings": ["a"], "values_int64s": [1], "default_tensor": tensor(np.ones(1, F32))},
        ),
        InvalidModelError,
        "expected one element of i64",
    ),
    (Ml("LabelEncoder", 2, [X], {"keys_int64s": [1], "values_int64s": [1]}), InvalidModelError, "a tensor of i64"),
    (Ml("CategoryMapper", 1, [WORDS], {"cats_int64s": [1]}), InvalidModelError, "0 keys and 1 values"),
    (Ml("OneHotEncoder", 1, [WORDS]), InvalidModelError, "one of cats_int64s and cats_strings"),
    (Ml("SVMRegressor", 1, [X], {"coefficients": floats(3)}), InvalidModelError, "'rho' is missing"),
    (
        Ml("SVMRegressor", 1, [X], {"coefficients": floats(4), "rho": [0.0]}),
        InvalidModelError,
        "4 coefficients a class do not fit",
    ),
    (
        Ml("SVMRegressor", 1, [X], {"coefficients": [1.0], "rho": [0.0], "kernel_params": [1.0]}),
        InvalidModelError,
        "'kernel_params' has 1",
    ),
    (Ml("SVMClassifier", 1, [X], without(DUEL, "rho"), 2), InvalidModelError, "'rho' is missing"),
    (Ml("SVMClassifier", 1, [X], {**DUEL, "vectors_per_class": [2]}, 2), InvalidModelError, "1 entries for 2 labels"),
    (Ml("SVMClassifier", 1, [X], {**DUEL, "rho": [1.0, 2.0]}, 2), InvalidModelError, "offsets must be f32"),
    (Ml("SVMClassifier", 1, [X], {**DUEL, "prob_a": [1.0]}, 2), InvalidModelError, "belong together"),
    (Ml("SVMClassifier", 1, [X], {**DUEL, "vectors_per_class": [3, -1]}, 2), InvalidModelError, "share the 2 vectors"),
    (
        Ml("SVMClassifier", 1, [X], {**DUEL, "coefficients": floats(3)}, 2),
        InvalidModelError,
        r"coefficients must be f32\[1, 2\]",
    ),
    (
        Ml("SVMClassifier", 1, [X], {**DUEL, "support_vectors": floats(5)}, 2),
        InvalidModelError,
        "5 numbers, which 2 rows cannot share",
    ),
    (Ml("ZipMap", 1, [SHARES], {"classlabels_int64s": [1]}), InvalidModelError, "number of columns"),
    (Ml("DictVectorizer", 1, [X], {"int64_vocabulary": [1]}), InvalidModelError, "a map"),
    (Ml("CastMap", 1, [X]), InvalidModelError, "a map to single elements"),
]


@pytest.mark.parametrize(("case", "error", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_attributes_that_do_not_fit_are_refused(case: Ml, error: type[XirError], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        import_onnx(saved(case.model(), tmp_path))


def test_categories_that_must_be_known_are(tmp_path: Path) -> None:
    case = Ml("OneHotEncoder", 1, [WORDS], {"cats_strings": ["Amy", "Sally"], "zeros": 0})
    with pytest.raises(InvalidModelError, match="'Dori' is none of the 2 categories"):
        case.computed(tmp_path)


def test_the_number_of_features_must_be_known_to_be_cut(tmp_path: Path) -> None:
    model = Ml("FeatureVectorizer", 1, [X], {"inputdimensions": [2]}).model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"
    with pytest.raises(UnsupportedError, match="a number of features that is not known"):
        import_onnx(saved(model, tmp_path))


def test_coefficients_tell_the_number_of_features(tmp_path: Path) -> None:
    model = Ml("LinearClassifier", 1, [X], {**ONE_SCORE, "intercepts": [0.25]}, 2).model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"
    assert import_onnx(saved(model, tmp_path)).outputs[1].shape == (4, 2)


def test_text_that_is_no_utf_8_keeps_its_bytes(tmp_path: Path) -> None:
    made = Ml("LabelEncoder", 2, [np.array([1, 2])], {"keys_int64s": [1], "values_strings": ["x"]}).model()
    made.graph.node[0].attribute[1].strings[0] = b"\xff"
    made.graph.node[0].attribute.append(helper.make_attribute("default_string", b"\xfe"))
    graph = import_onnx(saved(made, tmp_path))
    export_onnx(graph, tmp_path / "again.onnx", opset=21)
    node = onnx.load(tmp_path / "again.onnx").graph.node[0]
    held = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert (held["values_strings"], held["default_string"]) == ([b"\xff"], b"\xfe")
