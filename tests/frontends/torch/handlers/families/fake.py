"""Numbers rounded as if they were quantised."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call, real

X = real(2, 3, 4)
SCALES, ZEROS = array([0.1, 0.03, 0.5]), array([3, -2, 0], np.int32)
SCALE, ZERO = array([0.02]), array([5], np.int32)

CALLS = (
    call("fake_quantize_per_tensor_affine", X, 0.02, 5, -128, 127),
    call("fake_quantize_per_tensor_affine.tensor_qparams", X, SCALE, ZERO, 0, 255),
    call("fake_quantize_per_tensor_affine_cachemask", X, 0.02, 5, -128, 127),
    call("fake_quantize_per_channel_affine", X, SCALES, ZEROS, 1, -8, 7),
    call("fake_quantize_per_channel_affine_cachemask", X, SCALES, ZEROS, 1, -128, 127),
    *(
        call("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", X, SCALE, ZERO, array([on], np.int64), 0, 255)
        for on in (0, 1)
    ),
)
