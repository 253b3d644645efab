"""Rules by which AOTAutograd takes operators apart for xir: torch's own, and others where those do not serve.

A rule is a function of tensors that calls torch; AOTAutograd traces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from xir.frontends.torch.handlers import OPERATORS
from xir.frontends.torch.live.objects import torch_module

_SUM, _MEAN = 0, 1
"""Modes of embedding_bag (aten/src/ATen/native/EmbeddingBag.h, `EmbeddingBagMode`)."""


class Elements(Protocol):
    """A tensor to compute with, as `torch.Tensor`."""

    @property
    def shape(self) -> Sequence[int]:
        """Its sizes."""
        ...

    @property
    def dtype(self) -> object:
        """Its element type."""
        ...

    def __add__(self, other: object) -> Elements:
        """Sums of elements."""
        ...

    def __sub__(self, other: object) -> Elements:
        """Differences of elements."""
        ...

    def __mul__(self, other: object) -> Elements:
        """Products of elements."""
        ...

    def __truediv__(self, other: object) -> Elements:
        """Quotients of elements."""
        ...

    def __matmul__(self, other: Elements) -> Elements:
        """Products of matrices."""
        ...

    def __getitem__(self, index: object) -> Elements:
        """Some of the elements."""
        ...

    @property
    def mT(self) -> Elements:
        """The matrices transposed."""
        ...

    def to(self, kind: object) -> Elements:
        """The elements in another type."""
        ...

    def sum(self, axis: int, keepdim: bool = False) -> Elements:
        """Sums along an axis."""
        ...

    def cumsum(self, axis: int) -> Elements:
        """Running sums."""
        ...

    def masked_fill(self, mask: Elements, number: float) -> Elements:
        """Another number where a mask holds."""
        ...

    def index_add(self, axis: int, indices: Elements, rows: Elements) -> Elements:
        """With rows added at places of an axis."""
        ...

    def logical_not(self) -> Elements:
        """Where it does not hold."""
        ...

    def ne(self, number: int) -> Elements:
        """Where it is not a number."""
        ...

    def unsqueeze(self, axis: int) -> Elements:
        """With one more axis."""
        ...

    def transpose(self, one: int, other: int) -> Elements:
        """With two axes in each other's places."""
        ...

    def flip(self, axis: int) -> Elements:
        """The other way round along an axis."""
        ...

    def chunk(self, count: int, axis: int) -> Sequence[Elements]:
        """Equal parts along an axis."""
        ...

    def clone(self) -> Elements:
        """The same elements in memory of their own."""
        ...

    def sigmoid(self) -> Elements:
        """1 / (1 + exp(-x))."""
        ...

    def tanh(self) -> Elements:
        """Hyperbolic tangents."""
        ...

    def relu(self) -> Elements:
        """Those above zero, else zero."""
        ...

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow back to it."""
        ...

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order."""
        ...

    def contiguous(self) -> Elements:
        """The elements in row-major order."""
        ...

    def numel(self) -> int:
        """How many elements there are."""
        ...


def rules() -> dict[object, object]:
    """{operator: its rule}: torch's for what xir does not know, and those of this file."""
    table = cast("Mapping[object, object]", torch_module("torch._decomp").core_aten_decompositions())
    found = {operator: rule for operator, rule in table.items() if not _is_known(str(operator))}
    aten = torch_module().ops.aten
    return {
        **found,
        aten.native_dropout.default: dropout,
        aten.zeros_like.default: zeros_like,
        aten._scaled_dot_product_flash_attention_for_cpu_backward.default: attention_gradient,
        aten._embedding_bag_backward.default: bag_gradient,
    }


def _is_known(operator: str) -> bool:
    namespace, _, name = operator.partition(".")
    table = OPERATORS.get(namespace)
    return table is not None and table.operator(name) is not None


def zeros_like(x: Elements, *, dtype: object = None, **_: object) -> object:
    """Zeros that depend on sizes alone, so that no graph hands them to the one backwards."""
    torch = torch_module()
    return torch.zeros(x.shape, dtype=dtype or x.dtype) if x.is_contiguous() else NotImplemented


def dropout(x: Elements, dropped: float, is_training: bool | None) -> tuple[Elements, Elements]:
    """Dropout whose mask depends on sizes alone, so that all masks of a graph can be drawn before anything else.

    It draws what PyTorch draws on a processor (aten/src/ATen/native/Dropout.cpp, `native_dropout_cpu`).
    """
    torch = torch_module()
    if is_training is False or not dropped:
        return x * 1, cast("Elements", torch.ones(x.shape, dtype=torch.bool))
    kept = cast("Elements", torch.ops.aten.bernoulli.p(torch.empty(x.shape, dtype=torch.bool), 1 - dropped))
    return x * kept * (0.0 if dropped == 1 else 1 / (1 - dropped)), kept


def attention_gradient(
    dy: Elements,
    q: Elements,
    k: Elements,
    v: Elements,
    y: Elements,
    logarithms: Elements,
    dropped: float,
    is_causal: bool,
    *,
    attn_mask: Elements | None = None,
    scale: float | None = None,
) -> tuple[Elements, ...]:
    """The gradients of attention, from its operands alone: the forward graph need not keep logarithms of sums.

    It is the derivative of `softmax(scale * q k^T + mask) v` (Vaswani et al. 2017, equation 1).
    """
    torch = torch_module()
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    kind = torch.float64 if q.dtype == torch.float64 else torch.float32
    wide_q, wide_k, wide_v, wide_dy = (each.to(kind) for each in (q, k, v, dy))
    scores = wide_q @ wide_k.mT * factor
    if is_causal:
        earlier = cast("Elements", torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril())
        scores = scores.masked_fill(earlier.logical_not(), float("-inf"))
    elif attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), float("-inf"))
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = cast("Elements", torch.softmax(scores, -1))
    shares = wide_dy @ wide_v.mT
    ds = cast("Elements", torch.ops.aten._softmax_backward_data(shares, weights, -1, kind)) * factor
    return tuple(each.to(q.dtype) for each in (ds @ wide_k, ds.mT @ wide_q, weights.mT @ wide_dy))


def bag_gradient(
    dy: Elements,
    indices: Elements,
    offsets: Elements,
    bags: Elements,
    sizes: Elements,
    largest: Elements,
    count: int,
    is_scaled: bool,
    mode: int,
    is_sparse: bool,
    weights: Elements | None,
    padding: int = -1,
) -> object:
    """The gradient of a table whose rows were summed or averaged in bags (torch.nn.EmbeddingBag)."""
    if is_scaled or is_sparse or mode not in (_SUM, _MEAN):
        return NotImplemented
    torch = torch_module()
    starts = cast("Elements", torch.zeros(indices.numel() + 1, dtype=torch.int64))
    starts = starts.index_add(
        0, offsets.to(torch.int64), cast("Elements", torch.ones(offsets.shape, dtype=torch.int64))
    )
    bag = starts[: indices.numel()].cumsum(0) - 1
    rows = dy[bag] if mode == _SUM else (dy / sizes.to(dy.dtype).unsqueeze(1))[bag]
    rows = rows if weights is None else rows * weights.unsqueeze(1)
    rows = rows * indices.ne(padding).to(dy.dtype).unsqueeze(1)
    return cast("Elements", torch.zeros((count, dy.shape[1]), dtype=dy.dtype)).index_add(0, indices, rows)
