"""Functions of mathematical physics: Bessel's and Airy's, zeta, incomplete gamma functions."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call

PLAIN = (
    *("i0", "special_i0e", "special_i1", "special_i1e", "special_bessel_j0", "special_bessel_j1", "special_bessel_y0"),
    *("special_bessel_y1", "special_modified_bessel_i0", "special_modified_bessel_i1", "special_modified_bessel_k0"),
    *("special_modified_bessel_k1", "special_scaled_modified_bessel_k0", "special_scaled_modified_bessel_k1"),
    *("special_spherical_bessel_j0", "special_airy_ai", "special_erfcx", "special_log_ndtr"),
)
ROUGH = ("special_bessel_j0", "special_bessel_j1", "special_bessel_y0", "special_bessel_y1", "special_airy_ai")
"""torch's own f64 is off by up to 1e-6 where its formulas meet (against the trapezoidal rule of 400 points); that of
incomplete gamma functions beyond 20 and of polygamma(1) below 0 by 1e-10 (against exact sums)."""

ENDS = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-20]
WIDE = array([*np.linspace(-25, 25, 41), *ENDS], np.float64)
FINE = array([*np.linspace(-25, 25, 21), *ENDS])
BASES = np.meshgrid([0, 0.1, 1, 7.5, 19, np.inf, np.nan, -1], [0, 0.3, 1, 9, 40, np.inf, np.nan, -1])
POWERS = np.meshgrid([0.5, 1, 1.5, 2, 3, 7.5], [-3, -2.5, -20.25, 0, 0.25, 1, 10, 50, np.nan])
STARTS = POWERS[1][:, 0].copy()

CALLS = (
    *(call(name, FINE) for name in PLAIN),
    *(call(name, WIDE) for name in PLAIN if name not in ROUGH),
    call("special_bessel_j0", np.arange(4)),
    call("special_bessel_y1", np.zeros((2, 0), np.float32)),
    *(call(name, *BASES) for name in ("igamma", "igammac")),
    *(call(name, *(each.astype(np.float32) for each in BASES)) for name in ("special_gammainc", "special_gammaincc")),
    call("igamma", BASES[0][:, :0], BASES[1][:, :0]),
    call("special_zeta", *POWERS),
    call("special_zeta", *(each.astype(np.float32) for each in POWERS)),
    call("special_zeta.self_scalar", 2.5, STARTS),
    call("special_zeta.other_scalar", POWERS[0][0].astype(np.float32), 2),
    *(call("polygamma", count, STARTS[1:]) for count in (0, 2, 3)),
    call("polygamma", 1, STARTS[1:].astype(np.float32)),
    call("igamma", array([100, 100, 1000]), array([101, 60, 1001])),
    call("special_polygamma", 2, np.arange(1, 5)),
)
