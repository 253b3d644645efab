"""Calls of every overload of core ATen, each in every element type: the figure `N of 193`.

`CALLS` says the arguments of each overload as a function of a `Maker`, which makes tensors of the type in question.
What torch does not define for a type is not compared, but must be defined for one type at least.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tests.frontends.torch.handlers.call import Array, Example
from xir.frontends.torch.operators import core_aten

DTYPES: dict[str, Any] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "bool": np.bool_,
    "bfloat16": ml_dtypes.bfloat16,
}
"""The types in which every overload is compared."""

OPEN = frozenset({"aten.empty.memory_format", "aten.empty_strided.default"})
"""Overloads whose elements PyTorch leaves open: type and shape are compared."""

DRAWN = frozenset({"aten.rand.default", "aten.randn.default", "aten.randperm.default", "aten.native_dropout.default"})
"""Overloads whose elements are random: type, shape and statistics are compared."""


@dataclass
class Maker:
    """Makes the tensors of one overload's calls in one type.

    Attributes:
        dtype: NumPy's type.
    """

    dtype: Any

    def __post_init__(self) -> None:
        """Always the same numbers."""
        self.random = np.random.default_rng(7)

    def __call__(self, *shape: int, low: float = -3.0, high: float = 3.0) -> Array:
        """Numbers of the type between two bounds."""
        drawn = self.random.uniform(low, high, shape)
        if self.dtype is np.bool_:
            return np.asarray(drawn > (low + high) / 2)
        return np.asarray(np.floor(drawn) if self.dtype is np.int64 else drawn).astype(self.dtype)

    def unlike(self, *shape: int) -> Array:
        """Numbers no two of which are equal, in no order; bool has two."""
        count = int(np.prod(shape))
        return self.random.permutation(np.arange(count) - count // 2).reshape(shape).astype(self.dtype)

    def places(self, high: int, *shape: int) -> Array:
        """Whole numbers from 0 up to, not with, `high`."""
        return np.asarray(self.random.integers(0, high, shape))

    def mask(self, *shape: int) -> Array:
        """Bools."""
        return np.asarray(self.random.integers(0, 2, shape).astype(np.bool_))

    def complex(self, *shape: int) -> Array:
        """Complex numbers of as many bits; none for types that no complex type goes with."""
        made = self.random.standard_normal(shape) + 1j * self.random.standard_normal(shape)
        if self.dtype not in (np.float32, np.float64):
            return made.real.astype(self.dtype)
        return made.astype(np.complex64 if self.dtype is np.float32 else np.complex128)


Arguments = tuple[Any, ...]
Calls = Callable[[Maker], list[Arguments]]


def _plain(low: float = -3.0, high: float = 3.0) -> Calls:
    return lambda t: [(t(2, 3, low=low, high=high),), (t(low=low, high=high),), (t(0, 2),)]


def _pair(low: float = -3.0, high: float = 3.0, *more: Any) -> Calls:
    return lambda t: [
        (t(2, 3), t(2, 3, low=low, high=high), *more),
        (t(2, 1, 3), t(4, 1, low=low, high=high), *more),
        (t(2), t(low=low, high=high), *more),
    ]


def _number(*numbers: Any) -> Calls:
    return lambda t: [(t(2, 3), *((number,) if not isinstance(number, tuple) else number)) for number in numbers]


def _along() -> Calls:
    return lambda t: [(t.unlike(3, 4), 1), (t.unlike(3, 4), -2, True), (t.unlike(), 0)]


def _reflected(*shape: int) -> Calls:
    return lambda t: [
        (t(*shape), [1, 2, 1, 0, 1, 1][: 2 * (len(shape) - 1)]),
        (t(2, *shape), [1] * 2 * (len(shape) - 1)),
    ]


PLAIN = {
    "abs": (), "acos": (-1, 1), "acosh": (1, 4), "alias": (), "asin": (-1, 1), "asinh": (), "atan": (), "any": (),
    "atanh": (-0.9, 0.9), "bitwise_not": (), "ceil": (), "clone": (), "cos": (), "cosh": (), "elu": (), "erf": (),
    "exp": (), "expm1": (), "floor": (), "gelu": (), "hardtanh": (), "isinf": (), "isnan": (), "leaky_relu": (),
    "log": (0.1, 4), "log10": (0.1, 4), "log1p": (-0.5, 4), "log2": (0.1, 4), "logical_not": (), "mean": (),
    "neg": (), "nonzero": (), "prod": (), "reciprocal": (0.5, 3), "relu": (), "round": (), "rsqrt": (0.1, 4),
    "sigmoid": (), "sign": (), "sin": (), "sinh": (), "sqrt": (0, 4), "tan": (-1, 1), "tanh": (), "trunc": (),
    "sym_numel": (), "sym_is_contiguous": (), "sym_storage_offset": (),
}  # fmt: skip
"""Overloads of one tensor, with the bounds of its numbers."""

PAIRS = {
    **dict.fromkeys(("add.Tensor", "sub.Tensor", "mul.Tensor", "maximum.default", "minimum.default"), ()),
    **dict.fromkeys((f"logical_{name}.default" for name in ("and", "or", "xor")), ()),
    **dict.fromkeys((f"bitwise_{name}.Tensor" for name in ("and", "or", "xor")), ()),
    **dict.fromkeys((f"{name}.Tensor" for name in ("eq", "ne", "lt", "le", "gt", "ge")), ()),
    **dict.fromkeys(("div.Tensor", "fmod.Tensor", "remainder.Tensor"), (1, 4)),
}
"""Overloads of two tensors, with the bounds of the second one's numbers."""

NUMBERS = {
    "add.Scalar": (2, 1.5, (1, 2)), "sub.Scalar": (2, 1.5, (1, 2)), "mul.Scalar": (2, -1.5), "div.Scalar": (2, -1.5),
    "div.Scalar_mode": (2,), "fmod.Scalar": (2, -1.5), "remainder.Scalar": (2, -1.5), "fill.Scalar": (2,),
    "full_like.default": (2, 0), **{f"bitwise_{name}.Scalar": (2, 1) for name in ("and", "or", "xor")},
    **{f"{name}.Scalar": (1, -0.5) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "pow.Tensor_Scalar": (2, 3.0), "repeat.default": ([2, 1, 2],), "view.default": ([3, -1], [6]),
    "permute.default": ([1, 0],), "expand.default": ([2, -1, -1],), "flip.default": ([0, -1],),
    "unsqueeze.default": (1, -1),
    "amax.default": (([1], True), ([],)), "amin.default": (([1], True), ([],)), "any.dim": ((1,), (0, True)),
    "any.dims": (([0, 1],),), "argmax.default": (), "argmin.default": (), "cumsum.default": (0, -1),
    "mean.dim": (([1],), ([0, 1], True)), "sum.dim_IntList": (([1],), ([0, 1], True)), "prod.dim_int": (1, (0, True)),
    "var.dim": (([1],), ([0, 1], False, True)), "constant_pad_nd.default": (([1, 2],), ([1, 0, -1, 2], 2)),
    "select.int": ((1, -1), (0, 1)), "slice.Tensor": ((1, 0, 2), (1, 1, 9, 2), (0, -1)), "diagonal.default": (0, 1, -1),
    "split_with_sizes.default": (([1, 2], 1),), "as_strided.default": (([2, 2], [1, 2]), ([3], [2], 1)),
    "sym_size.int": (1, -2), "sym_stride.int": (0, -1), "clamp.default": ((-1, 1), (None, 0.5), (0,)),
    "_softmax.default": ((1, False), (0, False)), "_log_softmax.default": ((1, False), (0, False)),
}  # fmt: skip
"""Overloads of one tensor and numbers, each call's after the tensor."""

CALLS: dict[str, Calls] = {
    **{f"{name}.default": _plain(*bounds) for name, bounds in PLAIN.items()},
    **{name: _pair(*bounds) for name, bounds in PAIRS.items()},
    **{name: _number(*numbers) for name, numbers in NUMBERS.items()},
    **dict.fromkeys(("max.dim", "min.dim", "argmax.default", "argmin.default", "sort.default"), _along()),
    "_adaptive_avg_pool2d.default": lambda t: [(t(2, 3, 6, 5), [3, 2]), (t(2, 4, 4), [2, 2])],
    "_adaptive_avg_pool2d_backward.default": lambda t: [(t(1, 2, 3, 2), t(1, 2, 6, 5))],
    "_adaptive_avg_pool3d.default": lambda t: [(t(1, 2, 4, 3, 5), [2, 2, 3])],
    "_cdist_forward.default": lambda t: [(t(3, 4), t(2, 4), p, None) for p in (1.0, 2.0, 3.0, float("inf"))],
    "_embedding_bag.default": lambda t: [
        (t(5, 3), t.places(5, 6), np.array([0, 2, 2, 5]), False, 1),
        (t(5, 3), t.places(5, 6), np.array([0, 2, 2, 5]), False, 2),
        (t(5, 3), t.places(5, 6), np.array([0, 3, 6]), False, 0, False, t(6), True, 2),
        (t(5, 3), t.places(5, 6), np.array([0, 4]), False, 0, False, t(6), False, 1),
        *([] if t.dtype is ml_dtypes.bfloat16 else [(t(5, 3), t.places(5, 6), np.array([0, 2, 2, 5]))]),
    ],
    "_fft_c2r.default": lambda t: [
        (t.complex(3, 4), [1], 2, 6),
        (t.complex(3, 4), [1], 1, 7),
        (t.complex(4, 3), [1, 0], 0, 4),
    ],
    "_fft_r2c.default": lambda t: [
        (t(3, 6), [1], 0, True),
        (t(3, 7), [1], 1, True),
        (t(4, 6), [0, 1], 2, True),
        (t(3, 5), [1], 0, False),
        (t(2, 4, 3), [0, 2], 1, False),
    ],
    "_local_scalar_dense.default": lambda t: [(t(),), (t(1, 1),)],
    "_native_batch_norm_legit.default": lambda t: [
        (t(4, 3), t(3), t(3), t(3), t(3, low=0.5), training, 0.1, 1e-5) for training in (True, False)
    ],
    "_native_batch_norm_legit.no_stats": lambda t: [(t(4, 3, 2), t(3), t(3), True, 0.1, 1e-5)],
    "_native_batch_norm_legit_no_training.default": lambda t: [(t(4, 3), t(3), t(3), t(3), t(3, low=0.5), 0.1, 1e-5)],
    "_pdist_forward.default": lambda t: [(t(4, 3), p) for p in (1.0, 2.0, 3.0, float("inf"))],
    "adaptive_avg_pool1d.default": lambda t: [(t(2, 3, 7), [3]), (t(3, 6), [2])],
    "addmm.default": lambda t: [(t(3), t(2, 4), t(4, 3)), (t(2, 3), t(2, 4), t(4, 3))],
    "atan2.default": _pair(),
    "avg_pool1d.default": lambda t: [(t(2, 3, 7), [3], [2], [1])],
    "avg_pool2d.default": lambda t: [(t(2, 3, 7, 6), [3, 2], [2, 2], [1, 0], True, False), (t(2, 6, 6), [2, 2])],
    "avg_pool2d_backward.default": lambda t: [
        (t(1, 2, 3, 3), t(1, 2, 6, 6), [2, 2], [2, 2], [0, 0], False, True, None)
    ],
    "avg_pool3d.default": lambda t: [(t(1, 2, 4, 4, 5), [2, 2, 3], [1, 2, 1], [1, 0, 1])],
    "bmm.default": lambda t: [(t(2, 3, 4), t(2, 4, 2))],
    "cat.default": lambda t: [([t(2, 3), t(1, 3)],), ([t(2, 1), t(2, 0), t(2, 3)], 1)],
    "clamp.Tensor": lambda t: [(t(2, 3), t(2, 3, high=0), t(3, low=0)), (t(2, 3), None, t())],
    "col2im.default": lambda t: [
        (t(1, 12, 6), [4, 5], [2, 3], [1, 1], [0, 0], [2, 1]),
        (t(8, 9), [4, 4], [2, 2], [1, 1], [0, 0], [1, 1]),
    ],
    "convolution.default": lambda t: [
        (t(1, 2, 5, 6), t(4, 1, 3, 3), t(4), [2, 1], [1, 0], [1, 2], False, [0, 0], 2),
        (t(1, 4, 3, 3), t(4, 2, 2, 2), None, [2, 2], [1, 1], [1, 1], True, [1, 0], 1),
        (t(2, 3, 7), t(4, 3, 3), t(4), [1], [1], [1], False, [0], 1),
    ],
    "convolution_backward.default": lambda t: [
        (
            t(1, 4, 3, 4),
            t(1, 2, 5, 6),
            t(4, 2, 3, 3),
            [4],
            [1, 1],
            [0, 0],
            [1, 1],
            False,
            [0, 0],
            1,
            [True, True, True],
        ),
    ],
    "copy.default": lambda t: [(t(2, 3), t(3)), (t(2, 3), t.places(4, 2, 3))],
    "div.Tensor_mode": lambda t: [(t(2, 3), t(3, low=1, high=4))],
    "embedding.default": lambda t: [(t(5, 3), t.places(5, 2, 3))],
    "embedding_dense_backward.default": lambda t: [
        (t(2, 3, 4), t.places(5, 2, 3), 5, -1, False),
        (t(6, 4), np.array([0, 1, 1, 3, 1, 0]), 5, 3, True),
    ],
    "gather.default": lambda t: [(t(3, 4), 1, t.places(4, 3, 2)), (t(3, 4), 0, t.places(3, 2, 4))],
    "grid_sampler_2d.default": lambda t: [
        (t(1, 2, 4, 5), (t.places(11, 1, 3, 3, 2) / 4 - 1.25).astype(t.dtype), mode, padding, mode == 0)
        for mode, padding in (
            (0, 0),
            (1, 1),
            (1 if t.dtype is ml_dtypes.bfloat16 else 2, 2),
        )  # torch rounds bf16's weights
    ],
    "index.Tensor": lambda t: [
        (t(3, 4), [t.places(3, 2)]),
        (t(3, 4), [None, t.places(4, 2, 2)]),
        (t(3, 4), [t.mask(3, 4)]),
    ],
    "index_put.default": lambda t: [
        (t(3, 4), [np.array([2, 0])], t(2, 4)),
        (t(3, 4), [np.array([1, 1]), np.array([0, 0])], t(2), True),
    ],
    "index_select.default": lambda t: [(t(3, 4), 1, t.places(4, 5))],
    "masked_scatter.default": lambda t: [(t(3, 4), t.mask(3, 4), t(12))],
    "max_pool2d_with_indices.default": lambda t: [(t(1, 2, 6, 7), [3, 2], [2, 2], [1, 1], [1, 1], True)],
    "max_pool2d_with_indices_backward.default": lambda t: [
        (
            t(1, 1, 2, 2),
            np.arange(16).reshape(1, 1, 4, 4).astype(t.dtype),
            [2, 2],
            [2, 2],
            [0, 0],
            [1, 1],
            False,
            np.array([5, 7, 13, 15]).reshape(1, 1, 2, 2),
        ),
    ],
    "max_pool3d_with_indices.default": lambda t: [(t(1, 2, 4, 4, 5), [2, 2, 2], [2, 2, 1])],
    "mm.default": lambda t: [(t(2, 3), t(3, 4)), (t(3, 2), t(2, 0 if t.dtype is not np.bool_ else 3))],
    "native_group_norm.default": lambda t: [(t(2, 4, 3), t(4), t(4), 2, 4, 3, 2, 1e-5)],
    "native_group_norm_backward.default": lambda t: [
        (t(2, 4, 3), t(2, 4, 3), t(2, 2), t(2, 2, low=0.5), t(4), 2, 4, 3, 2, [True, True, True])
    ],
    "native_layer_norm.default": lambda t: [
        (t(2, 3, 4), [4], t(4), t(4), 1e-5),
        (t(2, 3, 4), [3, 4], None, None, 1e-5),
    ],
    "native_layer_norm_backward.default": lambda t: [
        (t(2, 4), t(2, 4), [4], t(2, 1), t(2, 1, low=0.5), t(4), t(4), [True, True, True])
    ],
    "pow.Scalar": lambda t: [(2, t(2, 3, low=0)), (1.5, t(2, 3, low=0))],
    "pow.Tensor_Tensor": lambda t: [(t(2, 3, low=0.5), t(3, low=0))],
    "reflection_pad1d.default": _reflected(2, 4),
    "reflection_pad2d.default": _reflected(2, 4, 3),
    "reflection_pad3d.default": _reflected(2, 4, 3, 3),
    "replication_pad2d.default": _reflected(2, 4, 3),
    "replication_pad3d.default": _reflected(2, 4, 3, 3),
    "resize_.default": lambda t: [(t(2, 3), [3, 2]), (t(2, 3), [4])],
    "scatter.src": lambda t: [(t(3, 4), 1, np.array([[0, 2], [3, 1]]), t(3, 4))],
    "scatter.value": lambda t: [(t(3, 4), 0, np.array([[0, 2], [1, 1]]), 1)],
    "scatter_add.default": lambda t: [(t(3, 4), 0, t.places(3, 2, 4), t(2, 4))],
    "scatter_reduce.two": lambda t: [
        (t(3, 4), 1, t.places(4, 3, 4), t(3, 4), kind) for kind in ("sum", "prod", "mean", "amax", "amin")
    ],
    "select_scatter.default": lambda t: [(t(3, 4), t(3), 1, -1)],
    "slice_scatter.default": lambda t: [(t(3, 4), t(3, 2), 1, 1, 3), (t(4, 2), t(2, 2), 0, 0, 4, 2)],
    "squeeze.dim": lambda t: [(t(2, 1, 3), 1), (t(2, 1, 3), 0)],
    "squeeze.dims": lambda t: [(t(1, 2, 1), [0, 2])],
    "topk.default": lambda t: [(t.unlike(3, 5), 2), (t.unlike(5, 3), 3, 0, False)],
    "upsample_bilinear2d.vec": lambda t: [
        (t(1, 2, 3, 4), [5, 7], False, None),
        (t(1, 2, 3, 4), None, True, [2.0, 1.5]),
    ],
    "upsample_nearest2d.vec": lambda t: [(t(1, 2, 3, 4), [5, 7], None), (t(1, 2, 3, 4), None, [2.0, 1.5])],
    "where.self": lambda t: [(t.mask(2, 3), t(2, 3), t(3)), (t.mask(3), t(2, 1), t())],
    "native_dropout.default": lambda t: [(t(60, 50, low=0.5, high=1.5), 0.25, True)],
}
"""{overload: its calls by place}."""

NAMED: dict[str, Callable[[Maker, Any], list[tuple[Arguments, dict[str, Any]]]]] = {
    "atan2.out": lambda t, _: [((t(2, 3), t(3)), {"out": t(2, 3)})],
    "_to_copy.default": lambda t, d: [((t(2, 3),), {"dtype": d}), ((np.array([0.0, 1.5, -2.0]),), {"dtype": d})],
    "arange.start_step": lambda t, d: [((1, 8, 2), {"dtype": d}), ((0, 4), {})],
    "div.Scalar_mode": lambda t, _: [((t(2, 3), 2), {"rounding_mode": mode}) for mode in ("floor", "trunc", None)],
    "div.Tensor_mode": lambda t, _: [
        ((t(2, 3), t(3, low=1, high=4)), {"rounding_mode": mode}) for mode in ("floor", "trunc", None)
    ],
    "full.default": lambda t, d: [(([2, 3], 2), {"dtype": d}), (([2], 1.5), {})],
    "empty.memory_format": lambda t, d: [(([2, 3],), {"dtype": d})],
    "empty_strided.default": lambda t, d: [(([2, 3], [1, 2]), {"dtype": d})],
    "rand.default": lambda t, d: [(([60, 50],), {"dtype": d})],
    "randn.default": lambda t, d: [(([60, 50],), {"dtype": d})],
    "randperm.default": lambda t, d: [((50,), {"dtype": d})],
    "scalar_tensor.default": lambda t, d: [((2,), {"dtype": d}), ((1.5,), {})],
    "var.correction": lambda t, _: [
        ((t(3, 4), [1]), {"correction": 0}),
        ((t(3, 4),), {"correction": 2, "keepdim": True}),
    ],
}
"""Those of overloads that take arguments by name: (tensors' maker, the type) -> (by place, by name)."""


def core_examples(overload: str, dtype: str) -> Iterator[Example]:
    """The calls of one overload (`aten.add.Tensor`) in one element type."""
    from xir.ir.types import dtype_from_numpy

    maker, name = Maker(DTYPES[dtype]), overload.removeprefix("aten.")
    if name in NAMED:
        wanted = dtype_from_numpy(np.dtype(DTYPES[dtype]))
        for items, named in NAMED[name](maker, wanted):
            yield Example(overload, items, named)
    else:
        for items in CALLS[name](maker):
            yield Example(overload, items)


def core() -> dict[str, Example]:
    """All of them by overload, type and number: `aten.add.Tensor float32 0`."""
    return {
        f"{overload} {dtype} {number}": example
        for overload in core_aten()
        for dtype in DTYPES
        for number, example in enumerate(core_examples(overload, dtype))
    }
