"""Layers of transformers that PyTorch calls at once."""

from __future__ import annotations

import numpy as np

from tests.frontends.torch.handlers.call import array, call, real

X = real(2, 3, 4)
WEIGHTS = (real(12, 4, scale=0.7), real(12, scale=0.7), real(4, 4, scale=0.7), real(4, scale=0.7))
LAYER = (
    *(real(4, seed=seed) for seed in range(4)),
    *(real(6, 4, scale=0.7), real(6), real(4, 6, scale=0.7), real(4, seed=5)),
)
ALL = array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], np.bool_)
KEYS = array([[0, 0, 1], [0, 1, 0]], np.bool_)
WHOLE = np.broadcast_to(ALL, (2, 2, 3, 3)).copy()

CALLS = (
    call("_native_multi_head_attention", X, X, X, 4, 2, *WEIGHTS),
    call("_native_multi_head_attention", X, X, X, 4, 1, *WEIGHTS, ALL, True, False, 0),
    call("_native_multi_head_attention", X, X, X, 4, 2, *WEIGHTS, KEYS, True, True, 1),
    call("_native_multi_head_attention", X, X, X, 4, 2, *WEIGHTS, WHOLE, True, True, 2),
    call("_transformer_encoder_layer_fwd", X, 4, 2, *WEIGHTS, True, True, 1e-5, *LAYER),
    call("_transformer_encoder_layer_fwd", X, 4, 2, *WEIGHTS, False, False, 1e-5, *LAYER, KEYS, 1),
)
