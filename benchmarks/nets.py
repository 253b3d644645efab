"""Made-up nets: VGG-16 with random weights, 553 MB written in pieces so that memory stays small, and long chains.

Layers and sizes of VGG-16: Simonyan and Zisserman 2014, table 1, column D. Field numbers: BVLC/caffe, caffe.proto
(NetParameter, LayerParameter, BlobProto, BlobShape).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

CHUNK = 1 << 18
"""Random numbers that are drawn at a time."""

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and convolutions of each block; a pooling follows each."""

NET, LAYER, BLOB, SHAPE, DATA = 1, 100, 7, 7, 5
"""Numbers of NetParameter.name, NetParameter.layer, LayerParameter.blobs, BlobProto.shape and BlobProto.data."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """A layer with weights: its name, its type, and the shapes of its blobs."""

    name: str
    kind: str
    blobs: tuple[tuple[int, ...], ...]


def weighted_layers(width: float = 1.0, size: int = 224, hidden: int = 4096) -> list[Weighted]:
    """The layers with weights; `width` scales the channels of the convolutions."""
    layers: list[Weighted] = []
    before = 3
    for block, (channels, count) in enumerate(BLOCKS, 1):
        scaled = max(1, int(channels * width))
        for index in range(1, count + 1):
            layers.append(Weighted(f"conv{block}_{index}", "Convolution", ((scaled, before, 3, 3), (scaled,))))
            before = scaled
    inputs = before * (size // 32) ** 2
    for name, outputs in (("fc6", hidden), ("fc7", hidden), ("fc8", 1000)):
        layers.append(Weighted(name, "InnerProduct", ((outputs, inputs), (outputs,))))
        inputs = outputs
    return layers


def prototxt(layers: list[Weighted], size: int = 224) -> str:
    """The net's description."""
    lines = [
        'name: "VGG16"',
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: [1, 3, {size}, {size}] }} }} }}',
    ]
    top, block = "data", "1"
    for layer in layers:
        if layer.kind == "Convolution" and layer.name[4] != block:
            lines.append(_pool(block, top))
            top, block = f"pool{block}", layer.name[4]
        if layer.name == "fc6":
            lines.append(_pool(block, top))
            top = f"pool{block}"
        param = f"num_output: {layer.blobs[0][0]}"
        convolution = layer.kind == "Convolution"
        inner = f"convolution_param {{ {param} kernel_size: 3 pad: 1 }}" if convolution else ""
        inner = inner or f"inner_product_param {{ {param} }}"
        head = f'name: "{layer.name}" type: "{layer.kind}" bottom: "{top}" top: "{layer.name}"'
        lines.append(f"layer {{ {head} {inner} }}")
        top = layer.name
        if layer.name != "fc8":
            lines.append(f'layer {{ name: "relu_{top}" type: "ReLU" bottom: "{top}" top: "{top}" }}')
    lines.append(f'layer {{ name: "prob" type: "Softmax" bottom: "{top}" top: "prob" }}')
    return "\n".join(lines) + "\n"


def _pool(block: str, bottom: str) -> str:
    name = f"pool{block}"
    return (
        f'layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{name}" '
        "pooling_param { pool: MAX kernel_size: 2 stride: 2 } }"
    )


def write_vgg(folder: Path, stem: str = "vgg16", *, width: float = 1.0, size: int = 224, hidden: int = 4096) -> Path:
    """Writes `<stem>.prototxt` and `<stem>.caffemodel` into a folder, unless they are there; returns the caffemodel."""
    layers = weighted_layers(width, size, hidden)
    path = folder / f"{stem}.caffemodel"
    (folder / f"{stem}.prototxt").write_text(prototxt(layers, size), encoding="utf-8")
    if not path.exists():
        building = path.with_suffix(".building")
        with building.open("wb") as output:
            write_caffemodel(output, layers)
            output.flush()
            os.fsync(output.fileno())
        building.replace(path)
    return path


def write_caffemodel(output: BinaryIO, layers: list[Weighted]) -> None:
    """Appends a NetParameter, holding at most `CHUNK` weights in memory."""
    generator = np.random.default_rng(0)
    output.write(_field(NET, b"VGG16"))
    for layer in layers:
        names = _field(1, layer.name.encode()) + _field(2, layer.kind.encode())
        heads = [_blob_head(shape) for shape in layer.blobs]
        sizes = [len(head) + 4 * math.prod(shape) for head, shape in zip(heads, layer.blobs, strict=True)]
        total = len(names) + sum(len(_head(BLOB, size)) + size for size in sizes)
        output.write(_head(LAYER, total) + names)
        for shape, head, size in zip(layer.blobs, heads, sizes, strict=True):
            output.write(_head(BLOB, size) + head)
            for piece in _random(generator, math.prod(shape), math.sqrt(2 / max(1, math.prod(shape[1:])))):
                output.write(piece)


def _random(generator: np.random.Generator, count: int, scale: float) -> Iterator[bytes]:
    for start in range(0, count, CHUNK):
        drawn = generator.standard_normal(min(CHUNK, count - start), dtype=np.float32)
        yield (drawn * np.float32(scale)).astype("<f4", copy=False).tobytes()


def _blob_head(shape: tuple[int, ...]) -> bytes:
    """A BlobProto up to its elements: the shape, then the head of the packed data."""
    dims = _field(1, b"".join(_varint(size) for size in shape))
    return _field(SHAPE, dims) + _head(DATA, 4 * math.prod(shape))


def _field(number: int, payload: bytes) -> bytes:
    return _head(number, len(payload)) + payload


def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | 2) + _varint(length)


def _varint(value: int) -> bytes:
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def layered_net(count: int) -> str:
    """A chain of `count` layers: convolutions 1x1, ReLUs, sums with an earlier blob, and concatenations.

    Every eighth layer joins two blobs of 4 channels to 8, and the convolution behind it leads back to 4.
    """
    lines = [
        'name: "layers"',
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 4, 4, 4] } } }',
    ]
    top = before = "data"
    for index in range(1, count):
        name, step = f"l{index}", index % 8
        if step in (1, 4, 6):
            body = f'type: "Convolution" bottom: "{top}" convolution_param {{ num_output: 4 kernel_size: 1 }}'
        elif step in (2, 5):
            body = f'type: "ReLU" bottom: "{top}"'
        elif step in (3, 7):
            body = f'type: "Eltwise" bottom: "{top}" bottom: "{before}"'
        else:
            body = f'type: "Concat" bottom: "{top}" bottom: "{before}"'
        lines.append(f'layer {{ name: "{name}" {body} top: "{name}" }}')
        before, top = (top if step != 0 else before), name
    return "\n".join(lines) + "\n"
