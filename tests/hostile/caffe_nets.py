"""Nets that lie: huge sizes, wrong weights, cycles, names that are code; written out, not mutated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.frontends.caffe.encoding import encode_blob, encode_text, field_bytes, tag, varint
from tests.hostile.case import Case, case

HUGE = (0, -1, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 40, 1 << 62, (1 << 63) - 1, 1 << 64)
"""Sizes at and behind every border."""

NAMES = {
    "quote": 'a"b',
    "single quote": "a'b",
    "newline": "a\nb",
    "nul": "a\0b",
    "escape": "a\x1b[31mred",
    "unicode": "sch\u00f6n \u6f22\u5b57 \U0001f600",
    "right to left": "a\u202eb",
    "traversal": "../../../../etc/passwd",
    "absolute": "/etc/passwd",
    "markup": "<script>alert(1)</script>&amp;",
    "dot": 'x"]; node [shape=plaintext]; "',
    "shell": "$(touch pwned); `id` | rm -rf *",
    "format": "{0.__class__} %s %n",
    "code": "__import__('os').system('id')",
    "empty": "",
    "space": " ",
    "long": "n" * 70_000,
    "backslash": "a\\b\\",
    "percent": "%1",
}

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 8, 16, 16] } } }\n'

NUMBERS: dict[str, str] = {
    "num_output": 'type: "Convolution" convolution_param { num_output: # kernel_size: 3 }',
    "kernel": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: # }',
    "kernel pad": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: # pad: # }',
    "pad": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 pad: # }',
    "conv stride": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 stride: # }',
    "dilation": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 dilation: # }',
    "group": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 group: # }',
    "conv axis": 'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 axis: # }',
    "deconvolution": 'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: 3 stride: # }',
    "deconvolution kernel": 'type: "Deconvolution" convolution_param { num_output: 4 kernel_size: # }',
    "inner product": 'type: "InnerProduct" inner_product_param { num_output: # }',
    "inner axis": 'type: "InnerProduct" inner_product_param { num_output: 3 axis: # }',
    "pool kernel": 'type: "Pooling" pooling_param { kernel_size: # }',
    "pool pad": 'type: "Pooling" pooling_param { kernel_size: 3 pad: # }',
    "pool big pad": 'type: "Pooling" pooling_param { pool: AVE kernel_size: # pad: # stride: # }',
    "pool stride": 'type: "Pooling" pooling_param { kernel_size: 3 stride: # }',
    "lrn": 'type: "LRN" lrn_param { local_size: # }',
    "lrn within": 'type: "LRN" lrn_param { local_size: # norm_region: WITHIN_CHANNEL }',
    "tile": 'type: "Tile" tile_param { tiles: # }',
    "tile axis": 'type: "Tile" tile_param { tiles: 2 axis: # }',
    "reshape": 'type: "Reshape" reshape_param { shape { dim: # dim: # } }',
    "reshape axis": 'type: "Reshape" reshape_param { shape { dim: -1 } axis: # num_axes: # }',
    "flatten": 'type: "Flatten" flatten_param { axis: # end_axis: # }',
    "permute": 'type: "Permute" permute_param { order: # order: 0 }',
    "arg max": 'type: "ArgMax" argmax_param { top_k: # }',
    "arg max axis": 'type: "ArgMax" argmax_param { axis: # }',
    "pyramid": 'type: "SPP" spp_param { pyramid_height: # }',
    "embed": 'type: "Embed" embed_param { num_output: # input_dim: # }',
    "slice point": 'type: "Slice" top: "s" slice_param { slice_point: # }',
    "slice axis": 'type: "Slice" top: "s" slice_param { axis: # }',
    "concat axis": 'type: "Concat" concat_param { axis: # }',
    "softmax axis": 'type: "Softmax" softmax_param { axis: # }',
    "reduction": 'type: "Reduction" reduction_param { axis: # }',
    "scale axis": 'type: "Scale" scale_param { axis: # num_axes: # }',
    "im2col": 'type: "Im2col" convolution_param { kernel_size: # }',
    "im2col pad": 'type: "Im2col" convolution_param { kernel_size: 3 pad: # }',
    "interp": 'type: "Interp" interp_param { height: # width: # }',
    "interp zoom": 'type: "Interp" interp_param { zoom_factor: # }',
    "interp shrink": 'type: "Interp" interp_param { shrink_factor: # }',
    "upsample": 'type: "Upsample" upsample_param { scale: # }',
    "shuffle": 'type: "ShuffleChannel" shuffle_channel_param { group: # }',
    "reorg": 'type: "Reorg" reorg_param { stride: # }',
    "prior": 'type: "PriorBox" bottom: "data" prior_box_param { min_size: 4 max_size: # step: 4 aspect_ratio: # }',
    "prior step": 'type: "PriorBox" bottom: "data" prior_box_param { min_size: # step: # }',
    "lstm": 'type: "LSTM" bottom: "data" recurrent_param { num_output: # }',
    "rnn": 'type: "RNN" bottom: "data" recurrent_param { num_output: # }',
    "eltwise": 'type: "Eltwise" bottom: "data" eltwise_param { coeff: # coeff: # }',
    "power": 'type: "Power" power_param { power: # scale: # shift: # }',
    "crop": 'type: "Crop" bottom: "data" crop_param { axis: # offset: # }',
    "parameter": 'type: "Parameter" parameter_param { shape { dim: # dim: # } }',
    "dummy": 'type: "DummyData" dummy_data_param { shape { dim: # dim: 1 } }',
    "normalize": 'type: "Normalize" norm_param { eps: # }',
}
"""{name: a layer with `#` for the number under test}; the bottom "data" and the top "x" are added."""

ROI = {
    "pooled": 'type: "ROIPooling" roi_pooling_param { pooled_h: # pooled_w: # }',
    "roi align": 'type: "ROIAlign" roi_align_param { pooled_h: # pooled_w: # }',
    "psroi": 'type: "PSROIPooling" psroi_pooling_param { output_dim: # group_size: # spatial_scale: 0.1 }',
}

STRUCTURES: dict[str, str] = {
    "empty net": 'name: "x"\n',
    "inputs only": INPUT,
    "missing bottom": INPUT + 'layer { name: "r" type: "ReLU" bottom: "nowhere" top: "r" }',
    "self loop": INPUT + 'layer { name: "r" type: "ReLU" bottom: "r" top: "r" }',
    "cycle": INPUT
    + 'layer { name: "a" type: "Eltwise" bottom: "data" bottom: "b" top: "a" }\n'
    + 'layer { name: "b" type: "ReLU" bottom: "a" top: "b" }',
    "no bottom": INPUT + 'layer { name: "r" type: "ReLU" top: "r" }',
    "no top": INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" }',
    "no type": INPUT + 'layer { name: "r" bottom: "data" top: "r" }',
    "no name": INPUT + 'layer { type: "ReLU" bottom: "data" top: "r" }',
    "too many bottoms": INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" bottom: "data" top: "r" }',
    "too many tops": INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" top: "s" }',
    "many bottoms": INPUT + 'layer { name: "r" type: "Concat" ' + 'bottom: "data" ' * 20_000 + 'top: "r" }',
    "many tops": INPUT
    + 'layer { name: "r" type: "Split" bottom: "data" '
    + " ".join(f'top: "t{i}"' for i in range(20_000))
    + " }",
    "duplicate layers": INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }\n' * 3,
    "duplicate inputs": INPUT * 2,
    "same top twice": INPUT + 'layer { name: "s" type: "Split" bottom: "data" top: "a" top: "a" }',
    "two inputs of one name": 'input: "a" input: "a" input_dim: [1, 1, 1, 1, 1, 1, 1, 1]\n',
    "input without dims": 'input: "a"\nlayer { name: "r" type: "ReLU" bottom: "a" top: "r" }',
    "half input_dim": 'input: "a" input_dim: 1 input_dim: 3\nlayer { name: "r" type: "ReLU" bottom: "a" top: "r" }',
    "many dims": 'layer { name: "i" type: "Input" top: "i" input_param { shape { '
    + "dim: 1 " * 100
    + '} } }\nlayer { name: "r" type: "ReLU" bottom: "i" top: "r" }',
    "a million dims": 'layer { name: "i" type: "Input" top: "i" input_param { shape { '
    + "dim: 2 " * 1_000_000
    + "} } }",
    "unknown type": INPUT + 'layer { name: "r" type: "Evil" bottom: "data" top: "r" }',
    "python layer": INPUT
    + 'layer { name: "r" type: "Python" bottom: "data" top: "r" python_param { module: "os" layer: "system" } }',
    "unknown field": INPUT + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" evil_param { x: 1 } }',
    "shared of other shape": INPUT
    + 'layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" } '
    + "inner_product_param { num_output: 3 } }\n"
    + 'layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } '
    + "inner_product_param { num_output: 3 } }",
    "mean from elsewhere": 'layer { name: "d" type: "Data" top: "data" top: "label" '
    + 'transform_param { mean_file: "/etc/passwd" crop_size: 8 } data_param { source: "../../x" batch_size: 1 } }\n'
    + 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    + "convolution_param { num_output: 1 kernel_size: 1 } }",
    "filler bomb": INPUT
    + "".join(
        f'layer {{ name: "ip{i}" type: "InnerProduct" bottom: "data" top: "t{i}" '
        'inner_product_param { num_output: 200000 weight_filler { type: "gaussian" } } }\n'
        for i in range(4)
    ),
    "activation bomb": INPUT
    + "".join(
        f'layer {{ name: "t{i}" type: "Tile" bottom: "{f"t{i - 1}" if i else "data"}" top: "t{i}" '
        "tile_param { axis: 2 tiles: 1000 } }\n"
        for i in range(5)
    ),
    "parameter bomb": 'layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 400000000 } } }\n'
    + 'layer { name: "e" type: "Exp" bottom: "p" top: "e" }',
    "constant bomb": 'layer { name: "p" type: "DummyData" top: "p" dummy_data_param { shape { dim: 400000000 } } }\n'
    + 'layer { name: "e" type: "Exp" bottom: "p" top: "e" }',
}


def numbers() -> Iterator[Case]:
    """Every layer parameter that makes a size, at every border."""
    rois = 'layer { name: "rois" type: "Input" top: "rois" input_param { shape { dim: [2, 5] } } }\n'
    for value in HUGE:
        for name, layer in NUMBERS.items():
            body = layer.replace("#", str(value))
            text = INPUT + f'layer {{ name: "x" bottom: "data" top: "x" {body} }}\n'
            yield case(f"{name} = {value}", "m.prototxt", text.encode())
        for name, layer in ROI.items():
            body = layer.replace("#", str(value))
            text = INPUT + rois + f'layer {{ name: "x" bottom: "data" bottom: "rois" top: "x" {body} }}\n'
            yield case(f"{name} = {value}", "m.prototxt", text.encode())
        shape = f"dim: {value} dim: 3 dim: {value} dim: {value}"
        for kind in ("ReLU", "Convolution", "Pooling", "Softmax", "LSTM", "Flatten", "ArgMax", "MVN"):
            param = {
                "Convolution": "convolution_param { num_output: 1 kernel_size: 1 }",
                "Pooling": "pooling_param { global_pooling: true }",
                "LSTM": "recurrent_param { num_output: 2 }",
            }.get(kind, "")
            text = (
                f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {shape} }} }} }}\n'
                f'layer {{ name: "x" type: "{kind}" bottom: "data" top: "x" {param} }}\n'
            )
            yield case(f"input of {kind} = {value}", "m.prototxt", text.encode())
            old = f'input: "data" input_dim: {value} input_dim: 3 input_dim: {value} input_dim: {value}\n'
            yield case(f"input_dim of {kind} = {value}", "m.prototxt", (old + text.split("\n", 1)[1]).encode())


def structures() -> Iterator[Case]:
    """Nets whose structure is wrong or enormous."""
    for name, text in STRUCTURES.items():
        yield case(name, "m.prototxt", text.encode())
    for depth in (50, 101, 1000, 100_000):
        yield case(f"braces {depth}", "m.prototxt", b"layer {" * depth, refused=True)
        nested = "layer { " + "transform_param { " * depth + "}" * depth + " }"
        yield case(f"messages {depth}", "m.prototxt", nested.encode(), refused=True)
        content = b""
        for _ in range(min(depth, 2000)):
            content = field_bytes(100, content)
        yield case(f"binary {depth}", "m.caffemodel", content, refused=True)
        yield case(f"brackets {depth}", "m.prototxt", b"input_dim: " + b"[" * depth, refused=True)
    yield case("a string without end", "m.prototxt", b'name: "' + b"x" * 3_000_000, refused=True)
    yield case("escapes", "m.prototxt", b'name: "' + b"\\377" * 300_000 + b'"', refused=True)
    yield case("comments only", "m.prototxt", b"# nothing\n" * 200_000, refused=True)
    yield case("many inputs", "m.prototxt", b'input: "a"\n' * 200_000, refused=True)
    yield case("groups", "m.caffemodel", tag(100, 3) * 100_000, refused=True)
    yield case("tiny layers", "m.caffemodel", field_bytes(100, b"") * 1_000_000, refused=True)
    yield case("tiny dims", "m.caffemodel", field_bytes(1, b"n") + field_bytes(4, b"\1") * 1_000_000, refused=True)


def names() -> Iterator[Case]:
    """Names that are code, paths or markup, in every place where a name can stand."""
    for title, name in NAMES.items():
        quoted = '"' + "".join(f"\\{byte:03o}" for byte in name.encode()) + '"'
        text = (
            f'name: {quoted}\nlayer {{ name: {quoted} type: "Input" top: {quoted} '
            "input_param { shape { dim: [1, 2, 3, 3] } } }\n"
            f'layer {{ name: {quoted} type: "Convolution" bottom: {quoted} top: {quoted} '
            "convolution_param { num_output: 2 kernel_size: 1 } }\n"
        )
        yield case(f"{title} everywhere", "m.prototxt", text.encode())
        yield case(f"{title} as type", "m.prototxt", (INPUT + _layer(quoted, '"data"')).encode())
        yield case(f"{title} as bottom", "m.prototxt", (INPUT + _layer('"ReLU"', quoted)).encode())
        yield case(f"{title} in binary", "m.caffemodel", encode_text(text) if name else b"\x0a\x00")
    yield case("not UTF-8", "m.caffemodel", encode_text(INPUT) + field_bytes(100, field_bytes(1, b"\xff\xfe")))
    yield case("not UTF-8 text", "m.prototxt", INPUT.replace("data", "d\xff").encode("latin-1"))


def _layer(kind: str, bottom: str) -> str:
    return f'layer {{ name: "x" type: {kind} bottom: {bottom} top: "y" }}\n'


def weights() -> Iterator[Case]:
    """Blobs whose shape and elements do not belong together, and layers whose blobs are not theirs."""
    text = (INPUT + 'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
            "inner_product_param { num_output: 3 } }\n").encode()  # fmt: skip
    right = (np.zeros((3, 2048), np.float32), np.zeros(3, np.float32))
    arrays = {
        "right": right,
        "transposed": (right[0].T, right[1]),
        "too few outputs": (right[0][:2], right[1]),
        "bias too long": (right[0], np.zeros(4, np.float32)),
        "one missing": right[:1],
        "one too many": (*right, right[1]),
        "no elements": (np.zeros((0, 2048), np.float32), right[1]),
        "old sizes": (right[0].reshape(1, 1, 3, 2048), right[1].reshape(1, 1, 1, 3)),
        "not numbers": (np.full((3, 2048), np.nan, np.float32), right[1]),
    }
    for name, blobs in arrays.items():
        yield _weighted(name, text, [encode_blob(blob) for blob in blobs])
        yield _weighted(f"{name}, not packed", text, [encode_blob(blob, packed=False) for blob in blobs])
    raw = field_bytes(5, right[0].tobytes())
    for value in HUGE[1:]:
        dims = field_bytes(7, field_bytes(1, varint(value) + varint(value)))
        yield _weighted(f"shape {value}", text, [dims + raw, encode_blob(right[1])])
        sizes = b"".join(tag(number, 0) + varint(value) for number in (1, 2, 3, 4))
        yield _weighted(f"old shape {value}", text, [sizes + raw, encode_blob(right[1])])
    yield _weighted("a million dims", text, [field_bytes(7, field_bytes(1, b"\1" * 1_000_000)) + raw])
    yield _weighted("odd bytes", text, [field_bytes(5, raw[:-1])])
    yield _weighted("declared longer", text, [tag(5, 2) + varint(1 << 40) + raw])
    yield _weighted("many pieces", text, [field_bytes(5, b"\0\0\0\0") * 100_000])
    yield _weighted("many blobs", text, [b""] * 100_000)
    yield _weighted("single and double", text, [raw + field_bytes(8, raw)])
    yield _weighted("raw of unknown type", text, [tag(10, 0) + varint(99) + field_bytes(12, raw)])


def _weighted(name: str, text: bytes, blobs: list[bytes]) -> Case:
    layer = field_bytes(1, b"ip") + field_bytes(2, b"InnerProduct") + b"".join(field_bytes(7, blob) for blob in blobs)
    data = field_bytes(1, b"net") + field_bytes(100, layer)
    return Case(f"weights: {name}", "m.caffemodel", {"m.caffemodel": data, "m.prototxt": text})
