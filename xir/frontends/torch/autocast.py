"""What `torch.autocast` does inside of its region: which operators cast their operands, and to what.

The lists are those of the processor (aten/src/ATen/autocast_mode.cpp, `AutocastCPU`); other operators take their
operands as they are. Operands of f64, and those that are not floating, are never cast (autocast_mode.h,
`is_eligible`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xir.frontends.torch.tensor import Tensor
from xir.ir.types import DType
from xir.ops import elementwise

_LOWER = """
conv1d conv2d conv3d bmm mm linalg_vecdot baddbmm addmm _addmm_activation addbmm linear _convolution.deprecated matmul
conv_tbc mkldnn_rnn_layer conv_transpose1d conv_transpose2d conv_transpose3d prelu scaled_dot_product_attention
_native_multi_head_attention
"""

LOWER = frozenset(_LOWER.split())
"""Operators that work in the region's type."""

_FLOAT32 = """
avg_pool3d binary_cross_entropy grid_sampler polar prod quantile nanquantile stft cdist grid_sampler_2d
_grid_sampler_2d_cpu_fallback grid_sampler_3d trace view_as_complex cholesky cholesky_inverse cholesky_solve inverse
lu_solve orgqr ormqr pinverse max_pool3d max_unpool2d max_unpool3d adaptive_avg_pool3d reflection_pad1d
reflection_pad2d replication_pad1d replication_pad2d replication_pad3d mse_loss cosine_embedding_loss nll_loss
nll_loss2d hinge_embedding_loss poisson_nll_loss smooth_l1_loss cross_entropy_loss l1_loss huber_loss
margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss ctc_loss kl_div multilabel_margin_loss
binary_cross_entropy_with_logits fft_fft fft_ifft fft_fft2 fft_ifft2 fft_fftn fft_ifftn fft_rfft fft_irfft fft_rfft2
fft_irfft2 fft_rfftn fft_irfftn fft_hfft fft_ihfft linalg_cond linalg_matrix_rank linalg_solve linalg_cholesky
linalg_svdvals linalg_eigvals linalg_eigvalsh linalg_inv linalg_householder_product linalg_tensorinv
linalg_tensorsolve fake_quantize_per_tensor_affine geqrf _lu_with_info qr svd triangular_solve fractional_max_pool2d
fractional_max_pool3d adaptive_max_pool3d multilabel_margin_loss_forward linalg_qr linalg_cholesky_ex linalg_svd
linalg_eig linalg_eigh linalg_lstsq linalg_inv_ex
"""

FLOAT32 = frozenset(_FLOAT32.split())
"""Operators that work in f32."""

WIDEST = frozenset(("stack", "cat", "index_copy"))
"""Operators that work in the widest type of their operands."""


@dataclass(frozen=True, slots=True)
class Autocast:
    """A region.

    Attributes:
        lower: the type of the operators in `LOWER`: bf16 or f16.
    """

    lower: DType

    def items(
        self, target: str, items: Sequence[object], named: Mapping[str, object]
    ) -> tuple[list[object], dict[str, object]]:
        """The arguments of a call, cast as the operator casts them; those that write into a tensor cast nothing."""
        dtype = self._dtype(target.removeprefix("aten."), (*items, *named.values()))
        if dtype is None or not target.startswith("aten.") or target.endswith("out"):
            return [*items], {**named}
        return [_as(item, dtype) for item in items], {key: _as(item, dtype) for key, item in named.items()}

    def _dtype(self, target: str, items: Sequence[object]) -> DType | None:
        """The type that an operator casts its operands to; None where it casts none."""
        for name in (target, target.partition(".")[0]):
            if name in LOWER:
                return self.lower
            if name in FLOAT32:
                return DType.FLOAT32
            if name in WIDEST:
                return DType.FLOAT32 if DType.FLOAT32 in _dtypes(items) else self.lower
        return None


def _dtypes(items: Sequence[object]) -> set[DType]:
    found: set[DType] = set()
    for item in items:
        if isinstance(item, Tensor):
            found.add(item.value.dtype)
        elif isinstance(item, tuple | list):
            found |= _dtypes(cast("Sequence[object]", item))
    return found


def _as(item: object, dtype: DType) -> object:
    """An argument with its tensors cast."""
    if isinstance(item, tuple | list):
        return tuple(_as(each, dtype) for each in cast("Sequence[object]", item))
    if not isinstance(item, Tensor):
        return item
    held = item.value.dtype
    eligible = held.is_floating and held is not DType.FLOAT64 and held is not dtype
    return Tensor(elementwise.cast(item.value, dtype=dtype)) if eligible else item
