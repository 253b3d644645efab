"""Archives of torch.export, made without torch: the JSON of a small program beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.archives import Member, archive_bytes

CODES = {
    "uint8": 1,
    "int8": 2,
    "int16": 3,
    "int32": 4,
    "int64": 5,
    "float16": 6,
    "float32": 7,
    "float64": 8,
    "complex64": 10,
    "bool": 12,
    "bfloat16": 13,
}


def tensor(name: str) -> dict:
    """A reference to a tensor."""
    return {"as_tensor": {"name": name}}


def size(value: int | str) -> dict:
    """A size: a number, or a formula."""
    return {"as_int": value} if isinstance(value, int) else {"as_expr": {"expr_str": value, "hint": None}}


def meta(dtype: str, shape: Sequence[int | str], **changes: Any) -> dict:
    """What is said of a tensor."""
    strides = [1] * len(shape)
    for axis in reversed(range(len(shape) - 1)):
        strides[axis] = strides[axis + 1] * (shape[axis + 1] if isinstance(shape[axis + 1], int) else 1)
    return {
        "dtype": CODES[dtype],
        "sizes": [size(each) for each in shape],
        "requires_grad": False,
        "device": {"type": "cpu", "index": None},
        "strides": [size(each) for each in strides],
        "storage_offset": {"as_int": 0},
        "layout": 7,
        **changes,
    }


def node(target: str, arguments: Sequence[Any], result: Any, **changes: Any) -> dict:
    """A call; arguments are by place, `(name, argument)` by name; the result a name or outputs as they are."""
    inputs = [
        {"name": item[0], "arg": item[1], "kind": 2}
        if isinstance(item, tuple)
        else {"name": f"a{place}", "arg": item, "kind": 1}
        for place, item in enumerate(arguments)
    ]
    outputs = [tensor(result)] if isinstance(result, str) else result
    return {"target": f"torch.ops.{target}", "inputs": inputs, "outputs": outputs, "metadata": {},
            "is_hop_single_tensor_return": None, **changes}  # fmt: skip


def graph(inputs: Sequence[dict], nodes: Sequence[dict], outputs: Sequence[dict], **changes: Any) -> dict:
    """A graph of calls."""
    return {"inputs": list(inputs), "outputs": list(outputs), "nodes": list(nodes), "tensor_values": {},
            "sym_int_values": {}, "sym_bool_values": {}, "is_single_tensor_return": False, "custom_obj_values": {},
            "sym_float_values": {}, **changes}  # fmt: skip


def program(
    inputs: Mapping[str, dict],
    nodes: Sequence[dict],
    outputs: Sequence[dict],
    *,
    weights: Mapping[str, str] = {},
    kinds: Mapping[str, str] = {},
    input_specs: Sequence[dict] | None = None,
    output_specs: Sequence[dict] | None = None,
    out_spec: Any = None,
    ranges: Mapping[str, tuple] = {},
    **changes: Any,
) -> dict:
    """A program.

    Args:
        inputs: {name: what is said of it}.
        nodes: the calls.
        outputs: the outputs.
        weights: {input that is a weight: its name in the model}.
        kinds: {such an input: `parameter` (unless said), `buffer` or `tensor_constant`}.
        input_specs: the signature's inputs, instead of those that this makes.
        output_specs: the signature's outputs, instead of those that this makes.
        out_spec: the tree of the outputs.
        ranges: {symbol: (least, most)}.
        changes: other fields of the graph.
    """
    held = graph([tensor(name) for name in inputs], nodes, outputs, **{"tensor_values": dict(inputs), **changes})
    specs = [_input_spec(name, weights, kinds) for name in inputs]
    entry = {"inputs": [], "outputs": [], "in_spec": "[1, null]", "out_spec": json.dumps([1, out_spec])}
    return {
        "graph_module": {
            "graph": held,
            "signature": {
                "input_specs": specs if input_specs is None else list(input_specs),
                "output_specs": [{"user_output": {"arg": each}} for each in outputs]
                if output_specs is None
                else list(output_specs),
            },
            "module_call_graph": [{"fqn": "", "signature": entry if out_spec is not None else None}],
            "metadata": {},
            "treespec_namedtuple_fields": {},
        },
        "opset_version": {"aten": 10},
        "range_constraints": {name: {"min_val": low, "max_val": high} for name, (low, high) in ranges.items()},
        "schema_version": {"major": 8, "minor": 20},
        "verifiers": ["TRAINING"],
        "torch_version": "2.13.0",
        "guards_code": [],
    }


def _input_spec(name: str, weights: Mapping[str, str], kinds: Mapping[str, str]) -> dict:
    if name not in weights:
        return {"user_input": {"arg": tensor(name)}}
    kind = kinds.get(name, "parameter")
    spec = {"arg": {"name": name}, f"{kind}_name": weights[name]}
    return {kind: {**spec, "persistent": True} if kind == "buffer" else spec}


def leaf() -> dict:
    """A leaf of a tree of outputs."""
    return {"type": None, "context": None, "children_spec": []}


def payload(arrays: Mapping[str, np.ndarray], prefix: str, changes: Mapping[str, Any] = {}) -> list[Member]:
    """The members that hold weights: their bytes and the table; `changes` replaces rows of the table."""
    folder = "data/weights/" if prefix == "weight" else "data/constants/"
    rows = {
        name: {
            "path_name": f"{prefix}_{place}",
            "is_param": prefix == "weight",
            "use_pickle": False,
            "tensor_meta": meta(array.dtype.name, array.shape, requires_grad=True),
        }
        for place, (name, array) in enumerate(arrays.items())
    } | dict(changes)
    members = [Member(f"m/{folder}{prefix}_{place}", array.tobytes()) for place, array in enumerate(arrays.values())]
    return [*members, Member(f"m/{folder}model_{prefix}s_config.json", json.dumps({"config": rows}).encode())]


def members(
    text: Any,
    weights: Mapping[str, np.ndarray] = {},
    constants: Mapping[str, np.ndarray] = {},
    changes: Mapping[str, Any] = {},
) -> list[Member]:
    """The members of an archive; `text` is the program, or the bytes that stand in its place."""
    body = text if isinstance(text, bytes) else json.dumps(text).encode()
    return [
        *payload(weights, "weight", changes),
        *payload(constants, "constant"),
        Member("m/models/model.json", body),
        Member("m/archive_format", b"pt2"),
        Member("m/archive_version", b"0"),
    ]


def write(
    path: Path,
    text: Any,
    weights: Mapping[str, np.ndarray] = {},
    constants: Mapping[str, np.ndarray] = {},
    changes: Mapping[str, Any] = {},
) -> Path:
    """Writes an archive; see `members`."""
    path.write_bytes(archive_bytes(members(text, weights, constants, changes)))
    return path
