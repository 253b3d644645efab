"""Hostile TFLite files: damaged bytes, fields with wrong numbers, tables that are one table again and again."""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.frontends.tflite.cases.flow import block_fields, loops, sparse, sparse_fields, variables
from tests.frontends.tflite.models import Model, Out, Q
from tests.hostile.case import Case, case
from tests.hostile.mutate import flips, splices, truncations
from xir.flatbuffer.write import write_tflite

NUMBERS = (-(1 << 31), -2, -1, 0, 1, 2, 3, 7, 127, 255, 1 << 20, (1 << 31) - 1)
"""What takes the place of a number of 32 bits."""

SHAPES = ((), (0,), (-1,), (1 << 31 - 1,) * 4, (1 << 20,) * 6, (2,) * 70, (1,), (3, 3), (0, (1 << 31) - 1))
"""What takes the place of a vector."""


def base() -> dict[str, Any]:
    """A model with a bit of everything."""
    model = Model()
    graph = model.subgraph()
    q = Q(0.1, 3)
    image = graph.input("int8", (1, 4, 4, 2), q, shape_signature=(-1, 4, 4, 2))
    kernel = graph.constant(np.ones((3, 2, 2, 2), np.int8), Q((0.1, 0.2, 0.3)))
    bias = graph.constant(np.zeros(3, np.int32), Q((0.01, 0.02, 0.03)))
    words = {"Conv2DOptions": {"padding": "SAME", "stride_h": 2, "stride_w": 1, "fused_activation_function": "RELU"}}
    made = graph.op("CONV_2D", [image, kernel, bias], [Out("int8", q, (1, 2, 4, 3))], words)
    wide = graph.op("DEQUANTIZE", made, [Out(shape=(1, 2, 4, 3))])
    sizes = graph.constant(np.array([-1, 6], np.int32))
    flat = graph.op("RESHAPE", [*wide, sizes], [Out(shape=(4, 6))], {"ReshapeOptions": {"new_shape": (4, 6)}})
    ends = [graph.constant(np.array(each, np.int32)) for each in ([0, 1], [3, 5], [1, 2])]
    cut = graph.op("STRIDED_SLICE", [*flat, *ends], [Out(shape=(3, 2))], {"StridedSliceOptions": {"end_mask": 1}})
    held = graph.tensor(
        "float32", (3, 4), buffer=model.buffer(np.ones(3, np.float32).tobytes()), sparsity=sparse_fields()
    )
    part = graph.op("DENSIFY", [held], [Out(shape=(3, 4))])
    graph.outputs += graph.op(
        "CONCATENATION", [*cut, *part], [Out(shape=(4, 6))], {"ConcatenationOptions": {"axis": 1}}
    )
    texts = graph.constant(np.array(["a", "bc"], object))
    graph.outputs.append(texts)
    content = model.content()
    content["signature_defs"] = (
        {"inputs": ({"name": "x", "tensor_index": 0},), "signature_key": "serve", "subgraph_index": 0},
    )
    content["metadata"] = ({"name": "m", "buffer": 1},)
    return content


def _bases() -> dict[str, bytes]:
    return {
        "small": write_tflite(base()),
        "loop": loops()[0].data,
        "variable": variables()[1].data,
        "sparse": sparse()[1].data,
    }


def damaged() -> Iterator[Case]:
    """Files with damaged bytes."""
    for seed, (name, data) in enumerate(_bases().items()):
        for mutate, count in ((truncations, 15), (flips, 60), (splices, 25)):
            for label, content in mutate(data, count, seed):
                yield case(f"{name} {label}", "m.tflite", content)


def _places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, tuple) else ()
    for key, value in items:
        yield (*path, key), value
        yield from _places(value, (*path, key))


def _replaced(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    if isinstance(content, dict):
        return {**content, path[0]: _replaced(content[path[0]], path[1:], value)}
    return (*content[: path[0]], _replaced(content[path[0]], path[1:], value), *content[path[0] + 1 :])


def fields() -> Iterator[Case]:
    """Whole files in which one field, or two, say something else."""
    draw = random.Random(5)
    content = base()
    content["subgraphs"][0]["tensors"][-2]["sparsity"] = block_fields()
    places = [(path, value) for path, value in _places(content) if _choices(value)]
    for number in range(250):
        changed = copy.deepcopy(content)
        told = []
        for path, value in draw.sample(places, draw.choice((1, 1, 2))):
            new = draw.choice(_choices(value))
            changed = _replaced(changed, path, new)
            told.append(f"{'.'.join(map(str, path))}={str(new)[:30]}")
        try:
            data = write_tflite(changed)
        except (struct.error, KeyError, TypeError):  # the field holds no such number
            continue
        yield case(f"{number}: {' '.join(told)}", "m.tflite", data)


def _choices(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return NUMBERS
    if isinstance(value, float):
        return (0.0, -1.0, float("inf"), float("nan"), 1e-45, 3e38)
    if isinstance(value, bytes):
        return (b"", value[:-1], value * 3, b"\xff" * len(value))
    if isinstance(value, tuple) and all(isinstance(item, int | float) for item in value):
        return SHAPES
    if isinstance(value, str) and value.isupper():
        return ("INT32", "STRING", "RESOURCE", "INT4", "FLOAT64", "COMPLEX64", "RELU6", "SIGN_BIT", "VALID")
    return ("", "\0", "a\nb", "x" * 70_000) if isinstance(value, str) else ()


def shared() -> Iterator[Case]:
    """Vectors of a million tables that are one table, and depth without end."""
    data = write_tflite({"version": 3, "subgraphs": ({"tensors": ({"name": "x"},) * 4_000},) * 2})
    yield case("many tensors", "m.tflite", data)
    head = bytearray(write_tflite({"version": 3, "subgraphs": ({"inputs": (0,) * 9},)}))
    for size in (1 << 16, 1 << 24, (1 << 32) - 1):
        for place in range(8, len(head) - 3, 4):
            changed = bytearray(head)
            struct.pack_into("<I", changed, place, size)
            yield case(f"{size} at {place}", "m.tflite", bytes(changed))
    yield case("eight bytes", "m.tflite", b"\0\0\0\0TFL3", refused=True)
    yield case("an end of its own", "m.tflite", b"\xff\xff\xff\x7fTFL3", refused=True)
    yield case("one subgraph many times", "m.tflite", _repeated(5_000), refused=True)


def _repeated(count: int) -> bytes:
    """A file of which every subgraph but the last is the last one, of 99 tensors."""
    last = {"tensors": ({"name": "x", "shape": (1,) * 9},) * 99}
    data = bytearray(write_tflite({"version": 3, "subgraphs": (*({},) * count, last)}))
    (root,) = struct.unpack_from("<I", data)
    vtable = root - struct.unpack_from("<i", data, root)[0]
    field = root + struct.unpack_from("<H", data, vtable + 8)[0]
    start = field + struct.unpack_from("<I", data, field)[0] + 4
    end = start + 4 * count
    target = end + struct.unpack_from("<I", data, end)[0]
    for place in range(start, end, 4):
        struct.pack_into("<I", data, place, target - place)
    return bytes(data)
