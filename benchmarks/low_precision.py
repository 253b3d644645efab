"""Models of few bits in machine code against onnxruntime, on one thread: the same file, alternating in one process.

The files are those of onnxruntime's own quantisers (static: pre-processed, QDQ, u8 activations, i8 weights a channel;
dynamic: i8 weights), products with packed weights (MatMulNBits), and a product of halves. A figure is xir's smallest
time divided by onnxruntime's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from measure import Figure, alternate, timed
from onnx import TensorProto, helper, numpy_helper
from peers import Array, Call, Workload, by_onnxruntime, by_xir, installed
from workloads import nets

ROUNDS = 20
STATIC = ("ResNet-50", "MobileNetV2")
DYNAMIC = ("BERT-base, 128 tokens",)
CALIBRATION = 2
"""Samples of random numbers: ranges do not change what a model costs."""


def low_precision() -> Iterator[Figure]:
    """Static and dynamic quantisation of networks, packed weights, and halves."""
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as folder:
        for workload in _products(Path(folder)):
            yield from _figure(workload)
        for workload in nets(Path(folder)) if installed("onnxruntime", "torch") else ():
            if workload.name in (*STATIC, *DYNAMIC):
                yield from _figure(_quantized(workload, Path(folder)))


def _figure(workload: Workload) -> Iterator[Figure]:
    ours, theirs = by_xir(workload, 1), by_onnxruntime(workload, 1)
    if theirs is None:
        return
    tasks = {"xir": _task(ours), "onnxruntime": _task(theirs)}
    alternate(tasks, 2)
    best = {name: min(samples.values) for name, samples in alternate(tasks, ROUNDS).items()}
    stored = workload.path.stat().st_size
    times = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in best.items())
    rate = f"{stored / 1e6:.3g} MB of file, {stored / best['xir'] / 1e9:.3g} GB/s in xir"
    quotient = best["xir"] / best["onnxruntime"]
    yield Figure(f"{workload.name}: time of xir / onnxruntime", quotient, "x", None, f"{times}; {rate}")


def _task(call: Call) -> Callable[[], float]:
    return lambda: timed(call)


def _quantized(workload: Workload, folder: Path) -> Workload:
    """The network as onnxruntime's quantisers write it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """A few times the same inputs."""

        def __init__(self) -> None:
            """Starts with the first."""
            self.left = CALIBRATION

        def get_next(self) -> dict[str, Array] | None:
            """The next sample, or None after the last."""
            self.left -= 1
            return dict(workload.feeds) if self.left >= 0 else None

    path = folder / "quantized.onnx"
    if workload.name in DYNAMIC:
        quantize_dynamic(workload.path, path, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
        return Workload(f"{workload.name}, dynamic int8", path, workload.feeds)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    prepared = folder / "prepared.onnx"
    quant_pre_process(workload.path, prepared, skip_symbolic_shape=True)
    quantize_static(prepared, path, Reader(), per_channel=True, **kinds)
    return Workload(f"{workload.name}, static int8", path, workload.feeds)


def _products(folder: Path) -> Iterator[Workload]:
    """One row by weights of 4 and 8 bits in blocks of 32, and by weights of halves."""
    rng = np.random.default_rng(0)
    for inner, columns, bits in ((768, 50257, 4), (4096, 4096, 4), (4096, 4096, 8)):
        packed = rng.integers(0, 256, (columns, inner // 32, 4 * bits), np.uint8)
        scales = rng.uniform(0.001, 0.01, columns * inner // 32).astype(np.float32)
        words = {"K": inner, "N": columns, "bits": bits, "block_size": 32}
        node = helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", **words)
        name = f"matmul 1x{inner} {inner}x{columns}, weights of {bits} bits"
        yield _written(folder, name, node, (inner, columns), np.float32, w=packed, s=scales)
    half = rng.standard_normal((4096, 4096)).astype(np.float16)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    yield _written(folder, "matmul 1x4096 4096x4096, f16", node, (4096, 4096), np.float16, w=half)


def _written(
    folder: Path, name: str, node: onnx.NodeProto, sizes: tuple[int, int], real: type[np.generic], **weights: Array
) -> Workload:
    kind = TensorProto.FLOAT16 if real is np.float16 else TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(*pair) for pair in (("x", kind, [1, sizes[0]]), ("y", kind, [1, sizes[1]])))
    held = [numpy_helper.from_array(array, key) for key, array in weights.items()]
    domains = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(helper.make_graph([node], "g", [x], [y], held), opset_imports=domains, ir_version=10)
    path = folder / "product.onnx"
    path.write_bytes(model.SerializeToString())
    return Workload(name, path, {"x": np.random.default_rng(1).standard_normal((1, sizes[0])).astype(real)})
