"""ONNX forms of determinants and sums of products."""

from __future__ import annotations

from xir.backends.export.onnx._form import Forms
from xir.ops.einsum import einsum
from xir.ops.linalg import determinant

forms = Forms()
forms.same(determinant, "Det")
forms.same(einsum, "Einsum", equation="equation")
