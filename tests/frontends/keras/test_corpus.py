"""Whole models of Keras 1 and 2 that others wrote: all load but those with Lambda layers, and give what is stored."""

import io
import zipfile

import numpy as np
import pytest

import xir

h5py = pytest.importorskip("h5py", reason="Keras keeps weights in HDF5")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LAMBDAS = {
    "model_lambda.h5",
    "space_to_depth_graph_tensorflow_2.h5",
    "space_to_depth_simple_tensorflow_2.h5",
}


@pytest.fixture(scope="module")
def models(corpus, tmp_path_factory):
    """{path in the archive: the file} of every whole model."""
    folder = tmp_path_factory.mktemp("keras")
    found = {}
    with zipfile.ZipFile(corpus / "keras_h5.zip") as archive:
        for number, name in enumerate(archive.namelist()):
            if name.endswith(".h5"):
                data = archive.read(name)
                with h5py.File(io.BytesIO(data)) as held:
                    is_whole = "model_config" in held.attrs or name.endswith("inputs_and_outputs.h5")
                if is_whole:
                    found[name] = folder / f"{number}_{name.rsplit('/', 1)[-1]}"
                    found[name].write_bytes(data)
    return found


def test_every_model_loads_but_those_with_code_of_their_own(models):
    refused = {}
    count = 0
    for name, path in models.items():
        if name.endswith("inputs_and_outputs.h5"):
            continue
        count += 1
        try:
            xir.load(path)
        except xir.XirError as error:
            refused[name.rsplit("/", 1)[-1]] = str(error)
    assert count == 57
    assert set(refused) == LAMBDAS
    assert all("Lambda" in told for told in refused.values())


@pytest.mark.parametrize(
    ("folder", "name", "most"),
    [
        ("simple_lstm", "simple_lstm_tf_keras_1", 100),
        ("simple_rnn", "simple_rnn_tf_keras_2", 25),
    ],
)
def test_the_results_are_those_that_the_corpus_stores(models, folder, name, most):
    base = f"modelimport/keras/examples/{folder}/{name}"
    graph = xir.load(models[f"{base}_model.h5"])
    with h5py.File(models[f"{base}_inputs_and_outputs.h5"]) as held:
        x = next(iter(held["inputs"].values()))[()]
        expected = next(iter(held["predictions"].values()))[()]
    result = xir.run(graph, {graph.input_names[0]: x[:most].astype(np.float32)})[graph.output_names[0]]
    np.testing.assert_allclose(result, expected[:most], rtol=1e-4, atol=1e-4)
