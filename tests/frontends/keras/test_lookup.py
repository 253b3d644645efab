"""Vocabularies: of the configuration and of an archive's assets."""

import numpy as np
import pytest

import xir
from tests.frontends.keras.files import archive, keras3_weights
from tests.frontends.keras.test_archive import functional, node, tensor

TEXT = node("InputLayer", "x", batch_shape=[None, 2], dtype="string")
PLACES = node("InputLayer", "x", batch_shape=[None, 2], dtype="int32")
WORDS = np.array([["b", "a"], ["z", ""]], object)
WEIGHTS = keras3_weights({"layers/string_lookup": []})


def lookup(**settings):
    return node("StringLookup", "y", tensor("x"), oov_token="[UNK]", dtype="int64", **settings)


def text(**settings):
    return node("TextVectorization", "y", tensor("x"), **{"vocabulary": ["a"], "standardize": None, **settings})


def run(path, x):
    return xir.run(xir.load(path), {"x": x})["y"].tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"vocabulary": ["a", "b"]}, [[2, 1], [0, 0]]),
        ({"vocabulary": ["a", "b"], "mask_token": ""}, [[3, 2], [1, 0]]),
        ({"vocabulary": ["", "[UNK]", "a", "b"], "mask_token": ""}, [[3, 2], [1, 0]]),
        ({"vocabulary": ["a", "b"], "num_oov_indices": 0}, [[1, 0], [-1, -1]]),
        ({"vocabulary": ["a", "b"], "output_mode": "multi_hot"}, [[0, 1, 1], [1, 0, 0]]),
        (
            {"vocabulary": ["a", "b"], "output_mode": "count", "max_tokens": 4, "pad_to_max_tokens": True},
            [[0, 1, 1, 0], [2, 0, 0, 0]],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_numbers_of_words(settings, expected, tmp_path):
    path = archive(tmp_path / "m.keras", functional(TEXT, lookup(**settings)), WEIGHTS)
    assert run(path, WORDS) == expected


def test_a_vocabulary_that_was_learnt(tmp_path):
    asset = {"assets/layers/string_lookup/vocabulary.txt": "[UNK]\nb\na\n\n"}
    path = archive(tmp_path / "m.keras", functional(TEXT, lookup(vocabulary=None)), WEIGHTS, more=asset)
    assert run(path, WORDS) == [[1, 2], [0, 0]]


def test_words_of_numbers(tmp_path):
    held = lookup(vocabulary=["a", "b"], invert=True)
    path = archive(tmp_path / "m.keras", functional(PLACES, held), WEIGHTS)
    assert run(path, np.array([[1, 2], [0, 7]], np.int32)) == [["a", "b"], ["[UNK]", "[UNK]"]]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (lookup(vocabulary=None), "does not hold"),
        (lookup(vocabulary=["a"], num_oov_indices=2), "by a hash"),
        (lookup(vocabulary=["a"], output_mode="tf_idf"), "lacks its weight 'idf_weights'"),
        (lookup(vocabulary=["a"], output_mode="tf_idf", num_oov_indices=0), "tf_idf"),
        (lookup(vocabulary=["a"], output_mode="tf_idf", idf_weights=[1.0, 2.0]), "2 weights of words"),
        (lookup(vocabulary=["a"], sparse=True), "sparse"),
        (node("Discretization", "y", tensor("x"), bin_boundaries=None), "before `adapt`"),
        (text(), "one in a row"),
        (text(split=None, ngrams=2), "given apart"),
        (text(split=None, ngrams=[0]), "1 to 64"),
        (text(split={"class_name": "function"}), "cuts"),
        (text(standardize={"class_name": "function"}), "standardizes"),
        (text(split=None, ragged=True), "ragged"),
        (text(split=None, sparse=True), "sparse"),
        (text(split=None, vocabulary=[1]), "more than texts"),
        (node("Hashing", "y", tensor("x"), num_bins=3, mask_value=7), "no text"),
        (node("Hashing", "y", tensor("x"), num_bins=3, output_mode="count", sparse=True), "sparse"),
        (node("Hashing", "y", tensor("x"), num_bins=3, dtype="complex64"), "results of the type 'complex64'"),
        (node("HashedCrossing", "y", tensor("x"), num_bins=3), "are crossed, expected two or more"),
    ],
)
def test_what_is_refused(held, expected, tmp_path):
    with pytest.raises(xir.XirError, match=expected):
        xir.load(archive(tmp_path / "m.keras", functional(TEXT, held), WEIGHTS))


def test_texts_are_needed(tmp_path):
    with pytest.raises(xir.XirError, match="as texts"):
        xir.load(archive(tmp_path / "m.keras", functional(PLACES, text()), WEIGHTS))


def test_rows_are_needed_for_counts(tmp_path):
    x = node("InputLayer", "x", batch_shape=[None], dtype="int32")
    held = node("CategoryEncoding", "y", tensor("x"), num_tokens=3, output_mode="count")
    with pytest.raises(xir.XirError, match="rows of categories"):
        xir.load(archive(tmp_path / "m.keras", functional(x, held), WEIGHTS))


def test_real_numbers_are_not_crossed(tmp_path):
    x = node("InputLayer", "x", batch_shape=[None, 1], dtype="float32")
    held = node("HashedCrossing", "y", [tensor("x"), tensor("x")], num_bins=3)
    with pytest.raises(xir.XirError, match="neither texts nor whole numbers"):
        xir.load(archive(tmp_path / "m.keras", functional(x, held), WEIGHTS))
