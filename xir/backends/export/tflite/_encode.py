"""A plan as the bytes of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xir.backends.export.tflite._form import identity_of
from xir.backends.export.tflite._plan import Plan, Record, Tensor
from xir.backends.export.tflite._versions import runtime_of, version_of
from xir.errors import UnsupportedError
from xir.flatbuffer.schema import ELEMENTS, tflite_schema
from xir.flatbuffer.write import Content, write_tflite
from xir.ir.dims import Dim, Symbol, evaluate
from xir.ir.types import DType

SIGNATURE = "serving_default"
"""The name of the one signature: what converters call it that are told none."""

NAMES: Mapping[str, str] = {short: name for name, short in ELEMENTS.items()}
"""{our short name of an element type: TFLite's}."""

MAX_BYTES = (1 << 31) - 1
"""Bytes of a file whose offsets are signed numbers of 32 bits (flatbuffers, FLATBUFFERS_MAX_BUFFER_SIZE)."""


def encoded(plans: Sequence[Plan], least: Mapping[Symbol, int], description: str) -> bytes:
    """The file.

    Args:
        plans: the main graph, then those of its bodies.
        least: the sizes that symbols have where the file must name a number.
        description: what the file says of itself.

    Raises:
        UnsupportedError: the weights do not fit into one file.
    """
    return _Encoder(least).file(plans, description)


class _Encoder:
    def __init__(self, least: Mapping[Symbol, int]) -> None:
        self.least = least
        self.buffers: list[Content] = [{}]
        self.codes: dict[tuple[str, int], int] = {}
        self.held: dict[tuple[object, ...], int] = {}

    def file(self, plans: Sequence[Plan], description: str) -> bytes:
        total = sum(t.constant.nbytes for plan in plans for t in plan.tensors if t.constant is not None)
        if total > MAX_BYTES:
            raise UnsupportedError(f"{total} bytes of weights do not fit into a TFLite file, which ends at 2 GB")
        subgraphs: list[Content] = [self.subgraph(plan, number) for number, plan in enumerate(plans)]
        runtime = runtime_of(tuple(self.codes))
        self.buffers.append({"data": runtime.encode().ljust(16, b"\0")})
        model: dict[str, Content] = {
            "version": 3,
            "operator_codes": [self.code(kind, version) for kind, version in self.codes],
            "subgraphs": subgraphs,
            "description": description,
            "buffers": self.buffers,
            "metadata": [{"name": "min_runtime_version", "buffer": len(self.buffers) - 1}],
            "signature_defs": [self.signature(plans[0])],
        }
        return write_tflite(model)

    def code(self, kind: str, version: int) -> Content:
        """An operator; its number also in the field of old readers, as far as that reaches (schema_utils.cc)."""
        number = tflite_schema().numbers["BuiltinOperator"][kind]
        return {"deprecated_builtin_code": min(number, 127), "builtin_code": number, "version": version}

    def signature(self, plan: Plan) -> Content:
        place = _places(plan)

        def listed(names: Sequence[str], numbers: Sequence[int]) -> Content:
            return [{"name": name, "tensor_index": place[old]} for name, old in zip(names, numbers, strict=True)]

        return {
            "inputs": listed(plan.graph.input_names, plan.inputs),
            "outputs": listed(plan.graph.output_names, plan.outputs),
            "signature_key": SIGNATURE,
            "subgraph_index": 0,
        }

    def subgraph(self, plan: Plan, number: int) -> Content:
        place = _places(plan)
        return {
            "tensors": [self.tensor(plan.tensors[old]) for old in place if old >= 0],
            "inputs": [place[old] for old in plan.inputs],
            "outputs": [place[old] for old in plan.outputs],
            "operators": [self.operator(plan, record, place) for record in plan.records],
            "name": plan.graph.name if number == 0 else f"body_{number}",
        }

    def operator(self, plan: Plan, record: Record, place: Mapping[int, int]) -> Content:
        version = version_of(record, plan.tensors)
        index = self.codes.setdefault((record.kind, version), len(self.codes))
        content: dict[str, Content] = {
            "opcode_index": index,
            "inputs": [place[old] for old in record.inputs],
            "outputs": [place[old] for old in record.outputs],
        }
        if record.options is not None:
            table, fields = record.options
            second = table in tflite_schema().numbers["BuiltinOptions2"]
            content["builtin_options2" if second else "builtin_options"] = {table: fields}
        return content

    def tensor(self, tensor: Tensor) -> Content:
        shape = [self.size(size) for size in tensor.shape]
        content: dict[str, Content] = {
            "shape": shape,
            "type": NAMES[tensor.dtype.value[0]],
            "buffer": self.buffer(tensor),
            "name": tensor.name,
            "has_rank": True,
        }
        if any(not isinstance(size, int) for size in tensor.shape):
            content["shape_signature"] = [size if isinstance(size, int) else -1 for size in tensor.shape]
        if tensor.quantization is not None:
            scales, points, axis = tensor.quantization
            content["quantization"] = {"scale": scales, "zero_point": points, "quantized_dimension": axis}
        return content

    def size(self, size: Dim) -> int:
        if isinstance(size, int):
            return size
        found = evaluate(size, self.least)
        return max(found, 1) if isinstance(found, int) else 1

    def buffer(self, tensor: Tensor) -> int:
        if tensor.constant is None:
            return 0
        constant, perm = tensor.constant, tensor.perm or identity_of(len(tensor.constant.shape))
        key = (constant.type, constant.digest(), perm)
        if key not in self.held:
            array = np.ascontiguousarray(constant.array().transpose(perm))
            self.buffers.append({"data": array.tobytes()})
            self.held[key] = len(self.buffers) - 1
        return self.held[key]


def _places(plan: Plan) -> dict[int, int]:
    """Where the tensors stand that the inputs, outputs and operators name, in order; -1 is an operand left out."""
    numbers = {number for record in plan.records for number in (*record.inputs, *record.outputs) if number >= 0}
    used = sorted(numbers | {*plan.inputs, *plan.outputs})
    return {**{old: new for new, old in enumerate(used)}, -1: -1}


def element_name(dtype: DType) -> str | None:
    """TFLite's name of an element type, or None."""
    return NAMES.get(dtype.value[0])
