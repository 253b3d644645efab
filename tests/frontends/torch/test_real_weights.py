"""Published checkpoints and safetensors: every tensor is what torch, or the safetensors library, reads.

`make models` fetches them; one that is absent skips aloud.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import xir
from xir.frontends.weights import Weights, load_weights

MODELS = {
    "facenet_mtcnn_pnet.pt": (13, 6_632, ()),
    "facenet_mtcnn_rnet.pt": (16, 100_178, ()),
    "facenet_mtcnn_onet.pt": (21, 389_040, ()),
    "resemblyzer_pretrained.pt": (48, 4_270_854, ("model_state", "optimizer_state")),
    "silero_vad_16k.safetensors": (15, 309_633, ()),
}
"""{file: (tensors, numbers in them, tables)}."""


def read(name: str) -> tuple[Path, Weights]:
    folder = Path(os.environ.get("XIR_CORPUS_CACHE", "") or "~/.cache/xir-corpus").expanduser() / "pytorch"
    if not (folder / name).is_file():
        pytest.skip(f"{folder / name} is absent: run `make models`")
    return folder / name, load_weights(folder / name)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_in_a_published_file(name: str) -> None:
    _, weights = read(name)
    numbers = sum(constant.elements for constant in weights.tensors.values())
    assert (len(weights.tensors), numbers, weights.tables) == MODELS[name]
    assert weights.problems == ()


@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith(".pt")])
def test_tensors_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    path, weights = read(name)
    value = torch.load(path, map_location="cpu", weights_only=True)
    tables = [f"{table}." for table in weights.tables[:1]] or [""]
    state = value[weights.tables[0]] if weights.tables else value
    for key, tensor in state.items():
        assert np.array_equal(weights.tensors[tables[0] + key].array(), tensor.detach().numpy()), key


@pytest.mark.parametrize("name", MODELS)
def test_the_safetensors_library_reads_what_is_written(name: str, tmp_path: Path) -> None:
    path, weights = read(name)
    report = xir.convert_weights(path, tmp_path / "a.safetensors", table="")
    written = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    assert set(written) == set(weights.tensors) - set(report.shared)
    for key, array in written.items():
        assert np.array_equal(array, weights.tensors[key].array()), key
