"""ONNX forms of determinants and sums of products."""

from __future__ import annotations

from string import ascii_lowercase

from xir.backends.export.onnx._form import Answer, Call, Forms, again
from xir.ir.node import Node
from xir.ops._equation import parse
from xir.ops.einsum import einsum
from xir.ops.linalg import determinant

forms = Forms()
forms.same(determinant, "Det")


@forms.of(einsum)
def _einsum(node: Node, opset: int) -> Answer:
    """Einsum; onnxruntime (1.31) takes lower-case labels alone, so others are renamed and the result is spelled out."""
    equation = str(node.attributes["equation"])
    if equation != equation.lower():
        renamed = _renamed(equation, tuple(value.rank for value in node.inputs if value is not None))
        if renamed is not None:
            return again(node, node.inputs, equation=renamed)
    return Call("Einsum", node.inputs, {"equation": equation})


def _renamed(equation: str, ranks: tuple[int, ...]) -> str | None:
    """The equation with lower-case labels, or None where it has more labels than there are letters."""
    parsed = parse(equation, ranks)
    labels = dict.fromkeys(label for term in parsed.terms for label in term)
    named = [label for label in labels if label[0] != "."]
    if len(named) > len(ascii_lowercase):
        return None
    letters = {**dict.fromkeys(labels, ""), **dict(zip(named, ascii_lowercase, strict=False))}
    letters |= {label: "..." for label in labels if label == ".0"}
    terms = ("".join(letters[label] for label in term) for term in (*parsed.terms, parsed.result))
    *operands, result = terms
    return f"{','.join(operands)}->{result}"
