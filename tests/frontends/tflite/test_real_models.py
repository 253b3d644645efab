"""Every published TFLite model of the cache, as LiteRT has it: recorded by `python -m tests.frontends.tflite.real`.

They are fetched into `XIR_CORPUS_CACHE`; one that is absent skips aloud.
"""

from __future__ import annotations

import numpy as np
import pytest

import xir
from tests.frontends.tflite.real import EXPECTED, MODELS, feed, path_of, sample

ONNX = ("mp_face_detection_front", "oww_hey_jarvis_v0.1", "oww_melspectrogram", "selfie_segmentation_landscape")
"""Models that are also written as ONNX and run by onnxruntime; the others are at night."""


def loaded(name):
    path = path_of(name)
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return xir.load(str(path))


def check(name, results):
    with np.load(EXPECTED) as held:
        for place, got in enumerate(results):
            want = held[f"{name}/{place}"]
            assert list(got.shape) == held[f"{name}/{place}/shape"].tolist()
            largest = max(1.0, float(held[f"{name}/{place}/largest"]))
            np.testing.assert_allclose(sample(np.asarray(got)), want, rtol=0, atol=1e-4 * largest)


@pytest.mark.parametrize("name", MODELS)
def test_the_reference_computes_what_litert_does(name):
    graph = loaded(name)
    check(name, xir.run(graph, {graph.input_names[0]: feed(name)}).values())


@pytest.mark.parametrize(
    "name", [name if name in ONNX else pytest.param(name, marks=pytest.mark.nightly) for name in MODELS]
)
def test_as_onnx_it_computes_what_litert_does(name, tmp_path):
    import onnxruntime

    graph = loaded(name)
    path = tmp_path / "m.onnx"
    xir.export(graph, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    check(name, session.run(None, {session.get_inputs()[0].name: feed(name)}))


@pytest.mark.nightly
@pytest.mark.parametrize("name", MODELS)
def test_compiled_it_computes_what_litert_does(name):
    pytest.importorskip("llvmlite", reason="the compiler needs llvmlite")
    graph = loaded(name)
    check(name, xir.compile(graph).run(None, {graph.input_names[0]: feed(name)}))
