"""Every class of layers that has a handler, by families."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.frontends._handlers import Handlers
from xir.frontends.keras.handlers import (
    activation,
    attention,
    audio,
    conv_recurrent,
    convolution,
    core,
    equalization,
    images,
    lookup,
    merging,
    norm,
    operations,
    operations_places,
    operations_shape,
    pooling,
    recurrent,
    reshaping,
    text,
    wrappers,
)
from xir.frontends.keras.site import Handler

HANDLERS: Handlers[Handler] = Handlers(
    "keras",
    activation.handlers,
    attention.handlers,
    audio.handlers,
    convolution.handlers,
    conv_recurrent.handlers,
    core.handlers,
    equalization.handlers,
    images.handlers,
    lookup.handlers,
    merging.handlers,
    norm.handlers,
    operations.handlers,
    operations_places.handlers,
    operations_shape.handlers,
    pooling.handlers,
    recurrent.handlers,
    reshaping.handlers,
    text.handlers,
    wrappers.handlers,
)
"""All handlers."""

_CODE = "runs Python code that the file carries or names, which xir never runs"
_FOREIGN = "wraps code of another framework, which the file does not carry"

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "Lambda": _CODE,
        "FlaxLayer": _FOREIGN,
        "JaxLayer": _FOREIGN,
        "TorchModuleWrapper": _FOREIGN,
        "TFSMLayer": _FOREIGN,
    }
)
"""Classes that are refused by name, and why."""

PASSING = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AlphaDropout",
        "BatchNormalization",
        "Dense",
        "Dropout",
        "ELU",
        "GaussianDropout",
        "GaussianNoise",
        "GroupNormalization",
        "Identity",
        "LayerNormalization",
        "LeakyReLU",
        "Masking",
        "Normalization",
        "PReLU",
        "ReLU",
        "Rescaling",
        "SpatialDropout1D",
        "ThresholdedReLU",
        "UnitNormalization",
    }
)
"""Classes whose result is masked like what they are called with (`supports_masking` of Keras)."""
