"""Small graphs as text: `node("Add", "y", "a", "b", T="DT_FLOAT")`."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def attribute(value: object) -> str:
    """An AttrValue as text: bool, int, float, `DT_...`, a string, `[sizes]` as a tuple, or text in braces."""
    if isinstance(value, bool):
        return f"b: {str(value).lower()}"
    if isinstance(value, int):
        return f"i: {value}"
    if isinstance(value, float):
        return f"f: {value}"
    if isinstance(value, list):
        return f"list {{ {' '.join(attribute(item) for item in value)} }}"
    if isinstance(value, tuple):
        return f"shape {{ {' '.join(f'dim {{ size: {size} }}' for size in value)} }}"
    text = str(value)
    if text.startswith("{"):
        return text[1:-1]
    return f"type: {text}" if text.startswith("DT_") else f's: "{text}"'


def node(kind: str, name: str, *inputs: str, **attributes: object) -> str:
    """A node as text."""
    edges = "".join(f' input: "{edge}"' for edge in inputs)
    held = "".join(f' attr {{ key: "{key}" value {{ {attribute(value)} }} }}' for key, value in attributes.items())
    return f'node {{ name: "{name}" op: "{kind}"{edges}{held} }}'


def placeholder(name: str, *sizes: int, dtype: str = "DT_FLOAT") -> str:
    """An input."""
    return node("Placeholder", name, dtype=dtype, shape=tuple(sizes))


_FIELDS = {
    "DT_FLOAT": "float_val", "DT_DOUBLE": "double_val", "DT_INT64": "int64_val", "DT_BOOL": "bool_val",
    "DT_STRING": "string_val",
}  # fmt: skip


def tensor(array: np.ndarray, dtype: str) -> str:
    """A TensorProto attribute whose elements are written out."""
    shape = " ".join(f"dim {{ size: {size} }}" for size in array.shape)
    field = _FIELDS.get(dtype, "int_val")
    values = [str(item).lower() if dtype == "DT_BOOL" else repr(item) for item in array.reshape(-1).tolist()]
    numbers = " ".join(f"{field}: {value}" for value in values)
    return f"{{tensor {{ dtype: {dtype} tensor_shape {{ {shape} }} {numbers} }}}}"


def literal(name: str, values: list[float], sizes: tuple[int, ...], dtype: str = "DT_FLOAT") -> str:
    """A constant whose numbers are written out."""
    array = np.full(sizes, values[0]) if len(values) == 1 else np.array(values).reshape(sizes)
    return node("Const", name, dtype=dtype, value=tensor(array, dtype))


def scalar(name: str, value: float, dtype: str = "DT_INT32") -> str:
    """A constant without axes."""
    return literal(name, [value], (), dtype)


def write(folder: Path, *nodes: str) -> str:
    """The graph of these nodes in a file; its path."""
    path = folder / "graph.pbtxt"
    path.write_text("\n".join(nodes) + "\nversions { producer: 27 }\n")
    return str(path)
