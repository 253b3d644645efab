"""Modes, medians and quantiles without NaN, histograms, segments, runs; numbers by their bits."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call, fixed, real

HOLES = array([[3, 1, np.nan, 2], [np.nan] * 4, [5, -1, 0, 2]])
WHOLE = array([[1, 2, 2, 1, 3], [5, 5, 4, 4, 0]], np.int64)
ODD = array([0.0, -0.0, 1, -1, np.nan, np.inf, -np.inf, 1e-40, 1e-45, 3.7, 2.5])
TOWARDS = array([1.0, -1, 2, -5, 1, 0, 0, 0, -1, 3.7, np.inf])
LINE = real(30)
POINTS = LINE.reshape(10, 3)
ROWS = real(6, 4)
SLICES = array([[1, 1, 2, 2], [1, 1, 2, 2], [3, 1, 2, 2]], np.int64)
SHARES = array([0.1, 0.5, 1.0])
WAYS = ("linear", "lower", "higher", "nearest", "midpoint")

CALLS = (
    *(call("nextafter", ODD.astype(dtype), TOWARDS.astype(dtype)) for dtype in (np.float32, np.float64)),
    *(call("frexp.Tensor", ODD.astype(dtype)) for dtype in (np.float16, np.float32, np.float64)),
    call("mode", WHOLE),
    call("mode", WHOLE, 0, True),
    call("mode", WHOLE.astype(np.float32)),
    call("mode", array(3.0)),
    call("nanmedian", HOLES),
    call("nanmedian.dim", HOLES[::2], 1),
    call("nanmedian.dim", HOLES, 0, True),
    call("nanmedian.dim", WHOLE, 1),
    call("nanmedian.dim", array(3.0), 0),
    *(call("quantile", HOLES, SHARES, 1, interpolation=way) for way in WAYS),
    *(call("nanquantile", HOLES, SHARES, 1, interpolation=way) for way in WAYS),
    call("nanquantile.scalar", HOLES, 0.3),
    call("nanquantile.scalar", HOLES, 0.3, 0, True),
    call("cummax", WHOLE, 1),
    call("cummin", HOLES, 0),
    call("histogram.bin_ct", LINE, 7),
    call("histogram.bin_ct", LINE.reshape(5, 6), 4, range=[-1.0, 1.0], density=True),
    call("histogram.bin_ct", LINE, 4, weight=abs(LINE)),
    call("histogram.bin_ct", np.ones(3, np.float32), 3),
    fixed("histogram.bins_tensor", LINE, array([-2, -0.5, 0.1, 3.0]), density=True),
    fixed("histogramdd.int_bins", POINTS, 2),
    fixed("histogramdd", POINTS, [2, 3, 1], [-2.0, 2.0, -1.0, 1.0, -3.0, 3.0], abs(LINE[:10]), True),
    fixed("histogramdd.TensorList_bins", POINTS, [array([-1.0, 0, 1])] * 3),
    *(
        call("segment_reduce", ROWS, kind, **told)
        for kind in ("sum", "mean", "max", "min", "prod")
        for told in ({"lengths": array([2, 0, 3, 1], np.int64)}, {"offsets": array([0, 2, 6], np.int64), "initial": 1})
    ),
    call("unique_dim_consecutive", SLICES, 0, True, True),
    call("unique_dim_consecutive", SLICES, 1, True, True),
    call("unique_consecutive", SLICES, True, True),
    call("unique_consecutive", SLICES, True, True, 1),
)
