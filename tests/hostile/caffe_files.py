"""Damaged Caffe files: real and generated nets, cut, flipped, spliced, their text mutated token by token."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from tests.frontends.caffe.encoding import encode_blob, encode_text, field_bytes
from tests.hostile.case import Case, case, with_text
from tests.hostile.mutate import flips, splices, tokens, truncations

SMALL = b"""name: "small"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 1 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" batch_norm_param { eps: 0.001 } }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" relu_param { negative_slope: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm" type: "LRN" bottom: "pool" top: "norm" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "cat" type: "Concat" bottom: "pool" bottom: "norm" top: "cat" concat_param { axis: 1 } }
layer { name: "slice" type: "Slice" bottom: "cat" top: "left" top: "right" slice_param { axis: 1 slice_point: 4 } }
layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" eltwise_param { coeff: 1 coeff: -1 } }
layer { name: "shape" type: "Reshape" bottom: "sum" top: "shape" reshape_param { shape { dim: 0 dim: -1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "shape" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
"""A net with a layer of most kinds; 12x12 becomes 6x6 by Caffe's rounding up."""

BLOBS = {
    "conv": ((4, 3, 3, 3), (4,)),
    "bn": ((4,), (4,), (1,)),
    "scale": ((4,), (4,)),
    "ip": ((5, 144), (5,)),
}


def small_caffemodel() -> bytes:
    """The net `SMALL` with weights, as Caffe writes it."""
    generator = np.random.default_rng(0)
    pieces = [field_bytes(1, b"small")]
    for line in SMALL.decode().split("layer {")[1:]:
        content = encode_text("layer {" + line)
        name = line.split('"')[1]
        blobs = b"".join(
            field_bytes(7, encode_blob(generator.random(shape, dtype=np.float32))) for shape in BLOBS.get(name, ())
        )
        pieces.append(field_bytes(100, _payload(content) + blobs))
    return b"".join(pieces)


def _payload(field: bytes) -> bytes:
    """What a length-delimited field with a two-byte tag holds."""
    position = 2
    while field[position] & 0x80:
        position += 1
    return field[position + 1 :]


def small_binary() -> Iterator[Case]:
    """Hundreds of damaged forms of a small net, with and without its prototxt."""
    data = small_caffemodel()
    yield case("whole", "m.caffemodel", data)
    damaged = (*truncations(data, 120, 1), *flips(data, 200, 2), *splices(data, 150, 3))
    for number, (name, content) in enumerate(damaged):
        if number % 3:
            yield case(name, "m.caffemodel", content)
        else:
            yield with_text(f"{name}, with prototxt", "m.caffemodel", content, SMALL)


def small_text() -> Iterator[Case]:
    """Hundreds of damaged forms of a small prototxt, some with weights beside."""
    weights = small_caffemodel()
    yield case("whole", "m.prototxt", SMALL)
    for name, content in (*truncations(SMALL, 80, 4), *flips(SMALL, 80, 5), *splices(SMALL, 60, 6)):
        yield case(name, "m.prototxt", content)
    for number, (name, content) in enumerate(tokens(SMALL, 400, 7)):
        if number % 4:
            yield case(name, "m.prototxt", content)
        else:
            yield with_text(f"{name}, with weights", "m.caffemodel", weights, content)


def corpus_binary(step: int = 1) -> Iterator[Case]:
    """Damaged forms of real caffemodels: det1, LeNet, the QR detector, open_nsfw; each with and without prototxt.

    Every `step`-th of each kind of damage: a third of the flips leave a net that is right, and is converted whole.
    """
    for name, model, text in _real_models():
        data, description = model.read_bytes(), text.read_bytes()
        big = len(data) > 1 << 21
        places = _structure(data)
        damaged = chain(
            islice(truncations(data, 10 if big else 40, 11), 0, None, step),
            islice(flips(data, 30 if big else 100, 12, places=places), 0, None, step),
            islice(splices(data, 10 if big else 50, 13), 0, None, step),
        )
        for number, (what, content) in enumerate(damaged):
            if number % 2:
                yield case(f"{name}: {what}", "m.caffemodel", content)
            else:
                yield with_text(f"{name}: {what}, with prototxt", "m.caffemodel", content, description)


def corpus_text() -> Iterator[Case]:
    """Mutated forms of real prototxts."""
    for name, _, text in _real_models():
        content = text.read_bytes()
        for what, changed in (*truncations(content, 15, 14), *tokens(content, 60, 15)):
            yield case(f"{name}: {what}", "m.prototxt", changed)


def _structure(data: bytes) -> list[int]:
    """Places where the structure is: the first bytes, and bytes around the names of layers and fields."""
    draw = random.Random(16)
    places = list(range(min(len(data), 600)))
    start = 0
    for word in (b"onvolution", b"ReLU", b"Pooling", b"nnerProduct", b"Scale", b"BatchNorm", b"Permute"):
        start = 0
        while (found := data.find(word, start)) >= 0 and len(places) < 20_000:
            places.extend(range(max(0, found - 30), min(len(data), found + 60)))
            start = found + 1
    draw.shuffle(places)
    return places


def _real_models() -> Iterator[tuple[str, Path, Path]]:
    """(name, caffemodel, prototxt) of the models that the environment names; see `tests/conftest.py`."""
    corpus = Path(os.environ.get("XIR_CORPUS", "")) / "caffe"
    cache = Path(os.environ.get("XIR_CORPUS_CACHE", "")) / "caffe" / "open_nsfw"
    for name, model, text in (
        ("det1", corpus / "mtcnn" / "det1.caffemodel", corpus / "mtcnn" / "det1.prototxt"),
        ("lenet", corpus / "lenet" / "lenet_iter_10000.caffemodel", corpus / "lenet" / "lenet.prototxt"),
        ("detect", corpus / "wechat_qrcode" / "detect.caffemodel", corpus / "wechat_qrcode" / "detect.prototxt"),
        ("open_nsfw", cache / "resnet_50_1by2_nsfw.caffemodel", cache / "deploy.prototxt"),
    ):
        if model.is_file() and text.is_file():
            yield name, model, text
