"""The version of each operator: the lowest whose kernel takes this use of it, and the runtime that has it.

The rules are those of TensorFlow's op_version.cc (GetBuiltinOperatorVersion), the runtimes those of runtime_version.cc.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from xir.backends.export.tflite._plan import Record, Tensor
from xir.ir.types import DType

_F32, _F16, _I8, _I16 = DType.FLOAT32, DType.FLOAT16, DType.INT8, DType.INT16


@dataclass(frozen=True, slots=True)
class _Use:
    """One operator with its tensors; None where an operand is left out."""

    record: Record
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]

    def dtype(self, index: int = 0) -> DType | None:
        """The element type of an operand."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        return None if tensor is None else tensor.dtype

    @property
    def rank(self) -> int:
        """The axes of the first operand."""
        return 0 if self.inputs[0] is None else len(self.inputs[0].shape)

    def has(self, name: str) -> bool:
        """Whether an option differs from its default."""
        return self.record.options is not None and bool(self.record.options[1].get(name))

    def scales(self, index: int) -> int:
        """How many scales an operand has."""
        tensor = self.inputs[index] if index < len(self.inputs) else None
        return len(tensor.quantization[0]) if tensor is not None and tensor.quantization is not None else 0

    @property
    def is_wide(self) -> bool:
        """Whether operands of more than four axes are repeated."""
        shapes = [tensor.shape for tensor in self.inputs if tensor is not None]
        return len(set(shapes)) > 1 and max(map(len, shapes)) > 4


def version_of(record: Record, tensors: Sequence[Tensor]) -> int:
    """The version of one operator."""
    inputs = tuple(None if number < 0 else tensors[number] for number in record.inputs)
    use = _Use(record, inputs, tuple(tensors[number] for number in record.outputs))
    rule = _RULES.get(record.kind)
    return rule(use) if rule is not None else _by_type(use, _TYPED.get(record.kind, {}))


def _by_type(use: _Use, versions: Mapping[DType, int]) -> int:
    dtype = use.dtype()
    return 1 if dtype is None else versions.get(dtype, 1)


_BYTES, _SHORTS, _EITHER = {_I8: 2}, {_I8: 2, _I16: 3}, {_I8: 2, _I16: 2}

_TYPED: Mapping[str, Mapping[DType, int]] = MappingProxyType(
    {
        **dict.fromkeys(("SPACE_TO_DEPTH", "SPLIT_V", "SUM", "LOG_SOFTMAX", "GREATER", "LESS_EQUAL"), _BYTES),
        **dict.fromkeys(("DEPTH_TO_SPACE", "EQUAL", "NOT_EQUAL"), _BYTES),
        **dict.fromkeys(("SOFTMAX", "MEAN", "MIRROR_PAD", "REDUCE_MAX", "REDUCE_MIN", "RELU6", "LESS"), _SHORTS),
        **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D", "TANH", "LOGISTIC", "CONCATENATION", "TOPK_V2"), _SHORTS),
        **dict.fromkeys(("GREATER_EQUAL", "BATCH_MATMUL"), _SHORTS),
        **dict.fromkeys(("EXP", "LOG", "REDUCE_PROD", "SQRT"), _EITHER),
        "ARG_MAX": {_I8: 2, DType.BOOL: 3},
        "ARG_MIN": {_I8: 2, DType.BOOL: 3},
        "GATHER": {_I8: 2, DType.BOOL: 3, _I16: 4},
        "ABS": {DType.INT32: 5, _I16: 3, _I8: 2, DType.UINT8: 2},
        "RELU": {_I16: 3, _I8: 2, DType.UINT8: 2},
        "FLOOR_DIV": {_I16: 3, _I8: 3, _F32: 2},
        "FLOOR_MOD": {_I16: 2, _I8: 2},
        "REVERSE_V2": {_I8: 3, DType.BOOL: 2},
        "TILE": {_I8: 3},
        "LEAKY_RELU": {_I16: 2},
        "RANGE": {DType.INT64: 2},
        "GELU": {_I8: 2, DType.UINT8: 2},
        "SELECT_V2": {},
    }
)
"""{operator: {element type of its first operand: version}}; others are 1."""


def _conv(use: _Use) -> int:
    x, w = use.inputs[0], use.inputs[1]
    if x is not None and w is not None and use.record.kind == "CONV_2D" and x.shape[3] != w.shape[3]:
        return 6
    both = (use.dtype(), use.dtype(1))
    if both == (_I8, _I8):
        return 3
    if both == (_F32, _I8):
        return {"CONV_2D": (2, 5), "DEPTHWISE_CONV_2D": (4, 6)}[use.record.kind][use.scales(1) > 1]
    if use.record.kind == "CONV_2D" or use.record.options is None:
        return 1
    fields = use.record.options[1]
    return 2 if any(fields.get(f"dilation_{axis}_factor", 1) != 1 for axis in "hw") else 1


def _fully_connected(use: _Use) -> int:
    both = (use.dtype(), use.dtype(1))
    if both == (_F32, _I8) and use.scales(1) > 1:
        return 12
    if len(use.inputs) == 2:
        return 6
    if use.has("keep_num_dims"):
        return 5
    return 4 if both == (_I8, _I8) else 3 if both == (_F32, _I8) else 1


def _transpose(use: _Use) -> int:
    if use.rank > 4:
        return {5: 4, 6: 6}.get(use.rank, 8)
    return _by_type(use, {_I16: 5, DType.BOOL: 3, _I8: 2})


def _transpose_conv(use: _Use) -> int:
    if use.has("fused_activation_function"):
        return 4
    return 3 if len(use.inputs) == 4 else 2 if use.dtype(1) is _I8 else 1


def _padded(use: _Use) -> int:
    return 5 if use.dtype() is DType.BOOL else 4 if use.rank > 4 else _by_type(use, _SHORTS)


def _sliced(use: _Use) -> int:
    return 4 if use.rank > 4 else _by_type(use, {_I8: 2, DType.BOOL: 3})


def _resized(use: _Use) -> int:
    if use.dtype() is _I16:
        return 4
    aligned = use.record.kind == "RESIZE_NEAREST_NEIGHBOR" and use.has("align_corners")
    return 3 if aligned or use.has("half_pixel_centers") else _by_type(use, _BYTES)


def _extreme(use: _Use) -> int:
    return 4 if use.dtype() is _I16 else 3 if use.is_wide else _by_type(use, _BYTES)


def _add(use: _Use) -> int:
    if use.dtype() is _I16:
        return 5 if use.scales(0) == 0 else 3
    return _by_type(use, {DType.INT64: 4, _I8: 2})


def _sub(use: _Use) -> int:
    if use.dtype() is _I16:
        return 5
    return 4 if use.dtype() is DType.INT64 else 3 if use.is_wide else _by_type(use, _BYTES)


def _mul(use: _Use) -> int:
    scales = [t.quantization[0][0] for t in (*use.inputs, *use.outputs) if t is not None and t.quantization is not None]
    if use.dtype() is _I16:
        return 4 if scales else 7
    if len(scales) == 3 and scales[0] * scales[1] / scales[2] >= 1:
        return 3
    return _by_type(use, {DType.INT64: 5, _I8: 2})


def _dequantize(use: _Use) -> int:
    if use.dtype() is _I8:
        return 5 if use.scales(0) > 1 else 2
    return 3 if use.dtype() in (_I16, _F16) else 1


def _quantize(use: _Use) -> int:
    made = use.outputs[0]
    if made.quantization is not None and len(made.quantization[0]) > 1:
        return 3
    return 2 if made.dtype is _I16 else 1


_CASTS = (
    (7, (DType.BFLOAT16,)),
    (5, (DType.FLOAT64, _F16)),
    (4, (DType.UINT16,)),
    (3, (_I8,)),
    (2, (DType.UINT32,)),
)


def _cast(use: _Use) -> int:
    both = (use.dtype(), use.outputs[0].dtype)
    return next((version for version, kinds in _CASTS if any(dtype in kinds for dtype in both)), 1)


_RULES: Mapping[str, Callable[[_Use], int]] = MappingProxyType(
    {
        "CONV_2D": _conv,
        "DEPTHWISE_CONV_2D": _conv,
        "FULLY_CONNECTED": _fully_connected,
        "TRANSPOSE": _transpose,
        "TRANSPOSE_CONV": _transpose_conv,
        "PAD": _padded,
        "PADV2": _padded,
        "STRIDED_SLICE": _sliced,
        "RESIZE_BILINEAR": _resized,
        "RESIZE_NEAREST_NEIGHBOR": _resized,
        "MAXIMUM": _extreme,
        "MINIMUM": _extreme,
        "ADD": _add,
        "SUB": _sub,
        "MUL": _mul,
        "DIV": lambda use: 2 if use.is_wide else 1,
        "DEQUANTIZE": _dequantize,
        "QUANTIZE": _quantize,
        "CAST": _cast,
        "BROADCAST_TO": lambda use: 3 if use.dtype() in (_I8, _I16) else 2,
        "WHERE": lambda use: 1 if use.dtype() is DType.BOOL else 2,
    }
)


@functools.cache
def runtimes() -> Mapping[str, tuple[str, ...]]:
    """{operator: the oldest runtime that has each of its versions}; `-` for versions that never were released."""
    text = importlib.resources.files("xir.backends.export.tflite").joinpath("runtimes.tsv").read_text("utf-8")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {kind: tuple(versions.split()) for kind, versions in lines}


def runtime_of(uses: Iterable[tuple[str, int]]) -> str:
    """The oldest runtime that has all of these (operator, version), as `2.3.0`."""
    needed = [(1, 5, 0)]
    for kind, version in uses:
        known = runtimes()[kind]
        numbers = [int(part) for part in known[version - 1].split(".")]
        needed.append((numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 0))
    return ".".join(map(str, max(needed)))
