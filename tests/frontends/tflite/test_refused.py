"""What contradicts itself, and what xir does not do: each with a message that says what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import xir
from tests.frontends.tflite.cases.flow import SPARSE, sparse_fields
from tests.frontends.tflite.models import Case, Fed, Held, Model, Out, Q, single
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.flatbuffer.write import write_tflite
from xir.frontends.tflite.flexbuffer import read_map

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
IMAGE = np.ones((1, 4, 4, 2), np.float32)
KERNEL = Held(np.ones((3, 2, 2, 2), np.float32))


def ints(*numbers: Any) -> Held:
    return Held(np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32))


def late(*numbers: Any) -> Fed:
    return Fed(np.array(numbers[0] if len(numbers) == 1 else numbers, np.int32))


def conv(**words: Any) -> dict[str, Any]:
    return {"Conv2DOptions": {"padding": "SAME", "stride_h": 1, "stride_w": 1, **words}}


COMPOSITE = {"StableHLOCompositeOptions": {"decomposition_subgraph_index": 7}}

CASES: dict[str, tuple[Case, str]] = {
    "steps that are 0": (single("DILATE", Fed(X), ints([1, 0, 1]), Held(np.float32(0))), "do not fit"),
    "no window": (
        single("REDUCE_WINDOW", Fed(X), Held(np.float32(0)), *(ints([1, 1]),) * 3,
               options={"ReduceWindowOptions": {"reduce_function": "ADD"}}), "do not fit",
    ),
    "no reduction": (single("REDUCE_WINDOW", Fed(X), Held(np.float32(0)), *(ints([1] * 3),) * 3), "UNSUPPORTED"),
    "axes of a product": (
        single("STABLEHLO_DOT_GENERAL", Fed(X), Fed(X),
               options={"StablehloDotGeneralOptions": {"lhs_contracting_dimensions": (9,)}}), "do not fit",
    ),
    "gaps": (
        single("STABLEHLO_PAD", Fed(X), Held(np.float32(0)), options={"StablehloPadOptions": {
            "edge_padding_low": (0,) * 3, "edge_padding_high": (0,) * 3, "interior_padding": (-2, 1, 1)}}), "gaps",
    ),
    "no starts": (single("STABLEHLO_DYNAMIC_SLICE", Fed(X), ints(0)), "do not fit"),
    "a part that is too large": (
        single("STABLEHLO_DYNAMIC_SLICE", Fed(X), *(ints(0),) * 3,
               options={"StablehloDynamicSliceOptions": {"slice_sizes": (1, 9, 1)}}), "9 elements",
    ),
    "too few starts": (single("STABLEHLO_DYNAMIC_UPDATE_SLICE", Fed(X), Fed(X), ints(0)), "do not fit"),
    "too few operands": (single("ADD", Fed(X)), "1 operands"),
    "an operand left out": (single("GATHER_ND", None, Fed(X.astype(np.int32))), "left out"),
    "too many results": (single("RELU", Fed(X), results=[Out(), Out()]), "2 results"),
    "another type": (single("RELU", Fed(X), results=[Out("int32")]), "declared i32"),
    "an unknown axis": (single("CONCATENATION", Fed(X), options={"ConcatenationOptions": {"axis": 5}}), "axis 5"),
    "two sizes left": (single("RESHAPE", Fed(X), ints([-1, -1])), "two sizes"),
    "nothing left": (single("RESHAPE", Fed(X), ints([-1, 0])), "cannot be told"),
    "no size 1": (single("SQUEEZE", Fed(X), options={"SqueezeOptions": {"squeeze_dims": (1,)}}), "are not 1"),
    "strides": (single("CONV_2D", Fed(IMAGE), KERNEL, options=conv(stride_h=0)), "must be positive"),
    "weights": (single("CONV_2D", Fed(IMAGE), ints([1, 2]), options=conv()), "weights of 4"),
    "activation": (single("CONV_2D", Fed(IMAGE), KERNEL, options=conv(fused_activation_function="SIGN_BIT")), "SIGN"),
    "window": (single("MAX_POOL_2D", Fed(IMAGE), options={"Pool2DOptions": {}}), "must be positive"),
    "image": (single("MAX_POOL_2D", Fed(X), options={"Pool2DOptions": {"stride_h": 1}}), "is needed"),
    "shuffled": (
        single("FULLY_CONNECTED", Fed(X), Held(X[0]),
               options={"FullyConnectedOptions": {"weights_format": "SHUFFLED4x16INT8"}}),
        "shuffled",
    ),
    "a vector": (single("FULLY_CONNECTED", Fed(X), Held(X[0, 0])), "two axes"),
    "a slice": (single("SLICE", Fed(X), ints([0, 0, 3]), ints([1, 1, 9])), "no part"),
    "too short": (single("SLICE", Fed(X), ints([0, 0]), ints([1, 1])), "2 starts"),
    "a step of 0": (single("STRIDED_SLICE", Fed(X), ints([0]), ints([1]), ints([0])), "step of 0"),
    "too many entries": (single("STRIDED_SLICE", Fed(X), ints([0] * 4), ints([1] * 4), ints([1] * 4)), "too many"),
    "backwards": (single("STRIDED_SLICE", Fed(X), late([0]), ints([1]), ints([-1])), "backward"),
    "parts": (single("SPLIT", ints(0), Fed(X), options={"SplitOptions": {"num_splits": 3}}), "3 parts"),
    "late axes": (single("TRANSPOSE", Fed(X), late([0, 1, 2])), "run time"),
    "amounts": (single("PAD", Fed(X), ints([[1, 1]])), "2 amounts"),
    "late mirrors": (
        single("MIRROR_PAD", Fed(X), late([[0, 0]] * 3), options={"MirrorPadOptions": {"mode": "SYMMETRIC"}}),
        "mirrored",
    ),
    "blocks": (single("SPACE_TO_BATCH_ND", Fed(IMAGE), ints([0, 2]), ints([[0, 0]] * 2)), "blocks"),
    "crops": (single("BATCH_TO_SPACE_ND", Fed(IMAGE), ints([1, 1]), ints([[0, 0]])), "amounts"),
    "late sizes": (single("RESIZE_BILINEAR", Fed(IMAGE), late([2, 2])), "run time"),
    "late transposed": (single("TRANSPOSE_CONV", late([1, 4, 4, 3]), KERNEL, Fed(IMAGE)), "run time"),
    "dilated transposed": (
        single("CONV_3D_TRANSPOSE", ints([1, 1, 1, 1, 1]), Held(np.ones((1,) * 5, np.float32)),
               Fed(np.ones((1,) * 5, np.float32)),
               options={"Conv3DOptions": {"stride_d": 1, "stride_h": 1, "stride_w": 1, "dilation_d_factor": 2}}),
        "dilation",
    ),
    "batch axes": (
        single("GATHER", Fed(X), ints([0]), options={"GatherOptions": {"axis": 0, "batch_dims": 1}}), "batch axes"
    ),
    "late segments": (single("SEGMENT_SUM", Fed(X), late([0, 1])), "run time"),
    "late number of segments": (single("UNSORTED_SEGMENT_SUM", Fed(X), late([0, 1]), late([2])), "run time"),
    "late number of boxes": (
        single(
            "NON_MAX_SUPPRESSION_V4",
            *(Fed(np.ones(sizes, np.float32)) for sizes in ((3, 4), (3,))),
            late(2),
            *(Held(np.float32(0.5)) for _ in range(2)),
            results=[Out("int32"), Out("int32")],
        ),
        "a number of boxes",
    ),
    "one axis": (
        single("REVERSE_SEQUENCE", Fed(X), ints([1, 1]), options={"ReverseSequenceOptions": {}}), "both axis"
    ),
    "bits": (single("FAKE_QUANT", Fed(X), options={"FakeQuantOptions": {"num_bits": 40}}), "40 bits"),
    "width": (single("BITCAST", Fed(X), results=[Out("int64")]), "another width"),
    "no scale": (single("QUANTIZE", Fed(X), results=[Out("int8")]), "not quantised"),
    "no scale back": (single("DEQUANTIZE", Fed(X.astype(np.int8))), "not quantised"),
    "a bad scale": (single("DEQUANTIZE", Fed(X.astype(np.int8), Q(-1.0))), "not positive"),
    "a bad zero point": (single("DEQUANTIZE", Fed(X.astype(np.int8), Q(1.0, 300))), "zero point"),
    "a zero point of 32 bits": (single("QUANTIZE", Fed(X), results=[Out("int32", Q(1.0, 3))]), "i32 with a zero point"),
    "scales of 16 bits": (
        single("QUANTIZE", Fed(np.zeros((2, 2), np.int16), Q((1.0, 2.0), 0, 1)), results=[Out("int32", Q(1.0))]),
        "several scales",
    ),
    "a bad scale of 32 bits": (
        single("QUANTIZE", Fed(X.astype(np.int16), Q(1.0)), results=[Out("int32", Q(-1.0))]), "not positive",
    ),
    "scales": (single("DEQUANTIZE", Fed(X.astype(np.int8), Q((1.0, 2.0), 0, 2))), "2 scales"),
    "two scales": (
        single("SELECT", Fed(X > 0), Fed(X.astype(np.int8), Q(1.0)), Fed(X.astype(np.int8), Q(2.0)),
               results=[Out("int8", Q(1.0))]),
        "different ways",
    ),
    "padding of two scales": (
        single("PAD", Fed(X.astype(np.int8), Q(1.0)), ints([[0, 0]] * 3), results=[Out("int8", Q(2.0))]), "another way"
    ),
    "no subgraph": (
        single("STABLEHLO_COMPOSITE", Fed(X), options=COMPOSITE),
        "subgraph 7",
    ),
    "no value": (
        single("READ_VARIABLE", Fed(X), options=None), "do not go with"
    ),
    "soft": (
        single("NON_MAX_SUPPRESSION_V5", Fed(X[0]), Fed(X[0, :, 0]), ints(1), *[Held(np.float32(0.5))] * 3,
               results=[Out("int32"), Out(), Out("int32")]),
        "soft",
    ),
    "places": (
        single("STABLEHLO_BROADCAST_IN_DIM", Fed(X), results=[Out(shape=(2, 3, 4))],
               options={"StablehloBroadcastInDimOptions": {"broadcast_dimensions": (0, 1)}}),
        "no places",
    ),
}  # fmt: skip


def refused(tmp_path, data: bytes) -> XirError:
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    with pytest.raises((InvalidModelError, UnsupportedError)) as caught:
        xir.load(str(path))
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_refused_with_its_reason(name, tmp_path):
    case, told = CASES[name]
    assert told in refused(tmp_path, case.data).message


def _changed(**fields: Any) -> dict[str, Any]:
    """A model whose first tensor has other fields."""
    model = Model()
    graph = model.subgraph()
    graph.tensor("float32", fields.pop("shape", (2,)), **fields)
    graph.outputs += graph.op("RELU", [0], [Out(shape=(2,))])
    graph.inputs += [] if "buffer" in fields or "sparsity" in fields else [0]
    model.buffer(np.ones(1, np.float32).tobytes())
    return model.content()


def _sparse(**fields: Any) -> dict[str, Any]:
    return _changed(shape=SPARSE.shape, buffer=1, sparsity={**sparse_fields(), **fields})


FILES: dict[str, tuple[dict[str, Any], str]] = {
    "version": ({"version": 2}, "version is 2"),
    "nothing": ({"version": 3}, "no subgraph"),
    "files of their own": ({"version": 3, "external_buffers": ({"id": 1},)}, "files of their own"),
    "a tensor's file": (_changed(external_buffer=4), "files of their own"),
    "an old code": (
        {"version": 3, "operator_codes": ({"deprecated_builtin_code": 127, "builtin_code": 3},)}, "code 127"
    ),
    "a code": ({"version": 3, "subgraphs": ({"operators": ({"opcode_index": 4},)},)}, "code 4"),
    "an index": ({"version": 3, "subgraphs": ({"inputs": (3,)},)}, "tensor 3"),
    "a buffer": (_changed(buffer=77), "buffer 77"),
    "a buffer behind the end": ({"version": 3, "buffers": ({"offset": 1 << 40, "size": 4},)}, "offset"),
    "too few bytes": (_changed(buffer=1), "declares 8 bytes"),
    "resources": (_changed(type="RESOURCE"), "holds RESOURCE"),
    "complex numbers": (_changed(type="COMPLEX64"), "complex"),
    "a negative size": (_changed(shape_signature=(-7,)), "shape"),
    "an input twice": (
        {**_changed(), "subgraphs": ({**_changed()["subgraphs"][0], "inputs": (0, 0)},)}, "input twice"
    ),
    "blocks": (_changed(quantization={"scale": (1.0,), "details": {"BlockwiseQuantization": {}}}), "Blockwise"),
    "zero points": (_changed(quantization={"scale": (1.0,) * 3, "zero_point": (0, 0)}), "2 zero points"),
    "texts": (_changed(type="STRING", buffer=1), "texts"),
    "a signature": (
        {"version": 3, "subgraphs": ({},), "signature_defs": ({"subgraph_index": 3},)}, "subgraph 3"
    ),
    "sparse texts": (_changed(type="STRING", buffer=1, sparsity=sparse_fields()), "sparse tensor 't0' holds str"),
    "sparse parts of bytes": (_changed(type="INT4", buffer=1, sparsity=sparse_fields()), "holds i4"),
    "sparse order": (_sparse(traversal_order=(0, 0)), "order"),
    "sparse blocks": (_sparse(block_map=(5,)), "order"),
    "sparse segments": (
        _sparse(dim_metadata=({"format": "DENSE", "dense_size": 1}, {"format": "SPARSE_CSR"})), "without segments"
    ),
    "sparse sizes": (_sparse(dim_metadata=({"format": "DENSE", "dense_size": 99},) * 2), "dense dimension"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_with_its_reason(name, tmp_path):
    content, told = FILES[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(write_tflite(content))
    with pytest.raises(XirError) as caught:
        xir.load(str(path))
    assert told in caught.value.message


def test_an_input_that_is_not_there(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(single("RELU", Fed(X)).data)
    with pytest.raises(XirError, match="no inputs"):
        xir.load(str(path), inputs={"y": "f32[2]"})


def test_numbers_of_4_bits_are_unpacked(tmp_path):
    model = Model()
    graph = model.subgraph()
    x = graph.input("float32", (1, 2))
    held = graph.tensor("INT4", (3, 2), Q(0.5), model.buffer(bytes((0x21, 0xF8, 0x07))))
    graph.outputs += graph.op("FULLY_CONNECTED", [x, held], [Out(shape=(1, 3))], {"FullyConnectedOptions": {}})
    path = tmp_path / "m.tflite"
    path.write_bytes(model.data())
    loaded = xir.load(str(path))
    (got,) = xir.run(loaded, {loaded.input_names[0]: np.array([[1, 10]], np.float32)}).values()
    np.testing.assert_array_equal(got, [[0.5 + 10, -4 - 5, 3.5]])


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"", "damaged"), (b"\0\4\1", "no map"), (bytes((0, 0, 0, 0, 200, 38, 1)), "damaged")],
)
def test_damaged_options_of_custom_operators(data, told):
    with pytest.raises(InvalidModelError, match=told):
        read_map(data)
