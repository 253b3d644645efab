"""Elements at places: indices, gather, scatter, search."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import Example, array, call, fixed, real, truth, whole

X = real(3, 4, 2)
M = real(3, 5)
ROWS = array([0, -1, 1], np.int64)
COLUMNS = array([[1], [0]], np.int64)
MASK = truth(3, 4)
BAGGED = array([1, 2, 4, 0, 1, 3], np.int64)
PLACES = whole(3, 5, low=0, high=3)


def _index_put(*more: object) -> tuple[Example, ...]:
    return tuple(
        call(name, *arguments, *more)
        for name, arguments in (
            ("index_put", (X, [ROWS], real(4, 2))),
            ("index_put", (X, [None, array([1, 3], np.int64)], real(2, 2))),
            ("index_put", (X, [ROWS, None, array([0, 1, 1], np.int64)], real(3, 4))),
            ("index_put", (X, [COLUMNS, ROWS], real(2, 3, 2))),
            ("index_put", (X, [MASK], real(2))),
        )
    )


CALLS = (
    call("index.Tensor", X, [ROWS]),
    call("index.Tensor", X, [None, array([3, 0], np.int64)]),
    call("index.Tensor", X, [ROWS, array([3, 0, 2], np.int64)]),
    call("index.Tensor", X, [ROWS, None, array([1, 0, 1], np.int64)]),
    call("index.Tensor", X, [None, COLUMNS, array([0, 1], np.int64)]),
    call("index.Tensor", X, [MASK]),
    call("index.Tensor", X, [None, truth(4), array([0], np.int64)]),
    call("index.Tensor", X, [array([1], np.int32)]),
    call("index.Tensor", X, [whole(3, dtype=np.uint8, low=0, high=2)]),
    call("index.Tensor", M, [None, array([], np.int64)]),
    call("_unsafe_index.Tensor", X, [ROWS]),
    *_index_put(False),
    *_index_put(True),
    call("index_put", X, [MASK], array(5.0)),
    call("index_put", X, [truth(3, 4, 2)], array([7.0])),
    call("index_put_", X, [ROWS], real(4, 2)),
    call("index_put", truth(3), [ROWS], truth(3, seed=1), True),
    call("index_select", X, -2, array([3, 0, 0], np.int64)),
    call("index_select", real(), 0, array([0], np.int64)),
    call("index_add", X, 1, array([3, 0, 0], np.int64), real(3, 3, 2), alpha=2),
    call("index_copy", X, 1, array([3, 0], np.int64), real(3, 2, 2)),
    call("index_fill.int_Scalar", X, 0, array([2, -3], np.int64), 2.5),
    call("index_fill.int_Tensor", X, 2, array([0], np.int64), array(1.5)),
    call("index_reduce", X, 0, array([0, 0, 2], np.int64), real(3, 4, 2, seed=4), "amax", include_self=False),
    call("gather", M, 1, whole(3, 2, low=0, high=5)),
    call("gather", M, 0, whole(2, 5, low=0, high=3)),
    call("gather", M, 1, whole(2, 2, low=0, high=5)),
    call("gather", real(), 0, array(0, np.int64)),
    call("scatter.src", M, 0, whole(2, 5, low=1, high=2), real(3, 5, seed=3)),
    call("scatter.value", M, 1, array([[1], [4], [0]], np.int64), 3.5),
    call("scatter.value", whole(3, 5), 1, array([[1], [4], [0]], np.int64), 3),
    call("scatter.reduce", M, 0, PLACES, real(3, 5, seed=3), reduce="add"),
    call("scatter.value_reduce", M, 0, PLACES, 2.0, reduce="multiply"),
    call("scatter_add", M, 0, PLACES, real(3, 5, seed=3)),
    call("scatter_add", M, 1, whole(2, 7, low=0, high=5), real(2, 7)),
    *(
        call("scatter_reduce.two", M, 0, PLACES, real(3, 5, seed=3), reduce, include_self=include)
        for reduce in ("sum", "prod", "mean", "amax", "amin")
        for include in (True, False)
    ),
    call("scatter_reduce.two", whole(3, 5), 0, PLACES, whole(3, 5, seed=3), "mean", include_self=True),
    call("scatter_reduce.two", whole(3, 5), 0, PLACES, whole(3, 5, seed=3), "amin", include_self=False),
    call("masked_select", M, truth(5)),
    call("masked_scatter", M, truth(3, 5), real(15)),
    call("nonzero", MASK),
    call("nonzero", whole(4)),
    call("argwhere", whole(2, 3)),
    call("where", MASK),
    call("take", M, array([[0, -1], [7, 3]], np.int64)),
    call("take_along_dim", M, whole(3, 1, low=0, high=5), 1),
    call("take_along_dim", M, array([3, 9], np.int64)),
    call("put", M, array([0, 7, -1], np.int64), real(3), False),
    call("put", M, array([0, 7, 7], np.int64), real(3), True),
    call("_unique2", whole(3, 4), True, True, True),
    call("unique_dim", whole(5, 2, low=0, high=2), 0, True, True, True),
    call("searchsorted.Tensor", array([1.0, 2.0, 2.0, 5.0]), array([[0.0, 2.0], [np.nan, 9.0]])),
    call("searchsorted.Tensor", array([1.0, 2.0, 2.0, 5.0]), array([2.0, 5.0]), right=True, out_int32=True),
    call("searchsorted.Tensor", array([[1, 3, 5], [2, 4, 6]], np.int64), array([[3, 6], [3, 6]], np.int64)),
    call("searchsorted.Scalar", array([1.0, 2.0, 5.0]), 3.0, side="right"),
    call("bucketize.Tensor", real(2, 3), array([-1.0, 0.0, 1.0])),
    call("isin.Tensor_Tensor", whole(2, 3), array([0, 1, -3], np.int64)),
    call("isin.Tensor_Scalar", whole(2, 3), 1, invert=True),
    call("embedding", M, array([[0, 2], [1, 1]], np.int64)),
    call("embedding", M, array([2], np.int32), 2),
    *(
        call("_embedding_bag", real(5, 3), BAGGED, array([0, 2, 2, 5], np.int64), False, mode, False, *more)
        for mode, more in ((0, (None, False, 1)), (1, (None, False, 1)), (1, ()), (2, ()), (2, (None, False, 1)))
    ),
    call("embedding_bag", real(5, 3), BAGGED, array([0, 2, 6], np.int64), False, 1, False, None, True),
    fixed("nonzero_static", MASK, size=5, fill_value=-7),
    fixed("nonzero_static", MASK, size=40),
    call("_unsafe_masked_index", M, truth(3), [array([0, 9, 1], np.int64), array([1, 2, 0], np.int64)], 2.5),
    fixed("embedding_dense_backward", real(4, 5), array([1, 0, 1, 2], np.int64), 3, 0, False),
)
