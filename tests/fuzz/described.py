"""How findings are told: an operator, an error, a node with its operands; and what of numbers is ordinary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from xir.ir.constant import Array, Constant
from xir.ir.graph import Graph
from xir.ir.node import Node
from xir.ir.types import TensorType

NOT_FINITE = "not finite: "
"""How the detail of a finding begins in which numbers are not finite, or their products would not be."""


def named(node: Node) -> str:
    """The operator, with those of its bodies: `loop(add+neg)`."""
    found = dict.fromkeys(each.op.name for each in _within(node) if each.op.name != "constant")
    return f"{node.op.name}({'+'.join(found)})" if found else node.op.name


def said(error: Exception) -> str:
    """An error as the cause of a finding: its kind and its words without numbers and names.

    onnx's evaluator (op_run.py, op_scan.py) puts a `TypeError` of its own words around those of an operator.
    """
    while isinstance(error.__cause__, Exception) and re.match("Issues with types|Unable to call", str(error)):
        error = error.__cause__
    text = re.sub(r"'[^']*'|\"[^\"]*\"|0x[0-9a-f]+|-?\d[\d.e+-]*", "_", " ".join(str(error).split()))
    chain = r".*\[ONNXRuntimeError\] : _ : \w+ : |.*(Status Message|Exception during initialization): "
    for prefix in (chain, "/onnxruntime_src/onnxruntime/"):
        text = re.sub(prefix, "", text)
    return f"{type(error).__name__}: {text[:110]}"


def trace(error: Exception) -> str:
    """Where an error comes from, in a line."""
    places: list[str] = []
    step = error.__traceback__
    while step is not None:
        places.append(f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}")
        step = step.tb_next
    words = " ".join(str(error).split())
    return f"{words if len(words) < 600 else f'{words[:300]} ... {words[-300:]}'} at {' '.join(places[-4:])}"


def described(node: Node, operands: Mapping[str, object]) -> str:
    """The operator with its attributes, those in its bodies, and its operands; first whether all of it is finite."""
    inside = [each for each in _within(node) if each.op.name != "constant"]
    inner = "; ".join(f"{each.op.name} {_words(each)} of ({_types(each)})" for each in inside)
    literals = [held.array() for each in _within(node) if isinstance(held := each.attributes.get("value"), Constant)]
    finite = all(map(is_finite, operands.values())) and all(map(is_finite, literals))
    given = ", ".join(f"{name}={shown(array)}" for name, array in operands.items())
    texts = "".join(f"; {shown(array)}" for array in literals if inner and array.dtype == object)
    body = f" with {inner[:1200]}{texts[:600]}" if inner else ""
    return f"{'' if finite else NOT_FINITE}{node.op.name} {_words(node)}{body} ({given})"[:3000]


def _words(node: Node) -> str:
    """The attributes but for bodies."""
    held = {name: value for name, value in node.attributes.items() if not isinstance(value, Graph)}
    told = {name: shown(value.array()) if isinstance(value, Constant) else value for name, value in held.items()}
    return "{" + ", ".join(f"'{name}': {value}" for name, value in told.items()) + "}"


def _types(node: Node) -> str:
    """`f32[2,3] - i64[]`."""
    types = (None if value is None else value.type for value in node.inputs)
    told = (f"{t.dtype}[{','.join(map(str, t.shape))}]" if isinstance(t, TensorType) else "-" for t in types)
    return " ".join(each.replace(" ", "") for each in told)


def has_body(node: Node) -> bool:
    """Whether an operator has bodies, in which numbers are that nobody sees."""
    return any(isinstance(value, Graph) for value in node.attributes.values())


def _within(node: Node) -> list[Node]:
    """The nodes of a node's bodies, and of theirs."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        for body in waiting.pop().attributes.values():
            if isinstance(body, Graph):
                found += body.nodes
                waiting += body.nodes
    return found


def is_finite(item: object) -> bool:
    """Whether all numbers are finite, and not so large that a product of two is not."""
    if isinstance(item, list):
        return all(map(is_finite, cast("list[object]", item)))
    if not isinstance(item, np.ndarray) or item.dtype.kind in "OUSTiub" or not item.size:
        return True
    largest = np.abs(cast("Array", item).astype(np.complex128 if item.dtype.kind == "c" else np.float64)).max()
    return bool(np.isfinite(largest)) and float(largest) < (2.0**8 if item.dtype == np.float16 else 1e15)


def ordinary(item: object) -> object:
    """The numbers, with small ones in place of those that `is_finite` does not take."""
    if isinstance(item, list):
        return [ordinary(each) for each in cast("list[object]", item)]
    if is_finite(item):
        return item
    array = cast("Array", item)
    wide = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)).reshape(-1)
    small = (np.arange(array.size) % 5 * 0.25 + 0.25).astype(array.dtype)
    with np.errstate(all="ignore"):
        kept = np.where(wide < 8.0, array.reshape(-1), small)
    return kept.astype(array.dtype).reshape(array.shape)


def shown(item: object) -> str:
    """The type, the shape and the first numbers of what a value holds."""
    if isinstance(item, np.ndarray):
        array = cast("Array", item)
        some = cast("list[object]", array.reshape(-1)[:10].tolist())
        listed = ", ".join(f"{each:.6g}" if isinstance(each, float) else repr(each) for each in some)
        return f"{array.dtype}{list(array.shape)}[{listed}]"
    return (
        "a list " + str([shown(each) for each in cast("list[object]", item)])[:200]
        if isinstance(item, list)
        else repr(item)
    )
