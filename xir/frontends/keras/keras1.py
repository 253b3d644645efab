"""Layers of Keras 1 in the words of Keras 2 (keras/legacy/interfaces.py names what became what)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from xir.frontends.keras.model import Json

_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "Convolution1D": "Conv1D",
        "Convolution2D": "Conv2D",
        "Convolution3D": "Conv3D",
        "AtrousConvolution1D": "Conv1D",
        "AtrousConvolution2D": "Conv2D",
        "Deconvolution2D": "Conv2DTranspose",
        "SeparableConvolution2D": "SeparableConv2D",
        "TimeDistributedDense": "Dense",
    }
)

_COMMON: Mapping[str, str] = MappingProxyType(
    {
        "init": "kernel_initializer",
        "W_regularizer": "kernel_regularizer",
        "b_regularizer": "bias_regularizer",
        "W_constraint": "kernel_constraint",
        "b_constraint": "bias_constraint",
        "bias": "use_bias",
        "border_mode": "padding",
        "subsample": "strides",
        "subsample_length": "strides",
        "filter_length": "kernel_size",
        "nb_filter": "filters",
        "atrous_rate": "dilation_rate",
    }
)
_RECURRENT: Mapping[str, str] = MappingProxyType(
    {
        "output_dim": "units",
        "inner_activation": "recurrent_activation",
        "inner_init": "recurrent_initializer",
        "U_regularizer": "recurrent_regularizer",
        "dropout_W": "dropout",
        "dropout_U": "recurrent_dropout",
        "consume_less": "implementation",
    }
)
_OWN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Dense": {"output_dim": "units"},
        "Dropout": {"p": "rate"},
        "SpatialDropout1D": {"p": "rate"},
        "SpatialDropout2D": {"p": "rate"},
        "SpatialDropout3D": {"p": "rate"},
        "GaussianDropout": {"p": "rate"},
        "GaussianNoise": {"sigma": "stddev"},
        "LSTM": _RECURRENT,
        "GRU": _RECURRENT,
        "SimpleRNN": _RECURRENT,
        "MaxPooling1D": {"pool_length": "pool_size", "stride": "strides"},
        "AveragePooling1D": {"pool_length": "pool_size", "stride": "strides"},
        "UpSampling1D": {"length": "size"},
        "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer"},
        "BatchNormalization": {"gamma_regularizer": "gamma_regularizer"},
        "Merge": {"concat_axis": "axis"},
    }
)
_ORDERINGS: Mapping[Json, Json] = MappingProxyType({"th": "channels_first", "tf": "channels_last"})
_WINDOWS = ("kernel_dim1", "kernel_dim2", "kernel_dim3", "nb_row", "nb_col")


def modern(kind: str, config: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
    """The class and configuration in the words of Keras 2.

    Args:
        kind: the class in Keras 1.
        config: its configuration there.
    """
    renamed = _CLASSES.get(kind, kind)
    words = {**_COMMON, **_OWN.get(renamed, {})}
    found: dict[str, Json] = {}
    for name, value in config.items():
        if name not in _WINDOWS:
            found[words.get(name, name)] = value
    window: list[Json] = [config[name] for name in _WINDOWS if name in config]
    if window:
        found["kernel_size"] = window
    if "dim_ordering" in found:
        ordering = found.pop("dim_ordering")
        found["data_format"] = _ORDERINGS.get(ordering, ordering)
    inner = found.get("layer")
    if isinstance(inner, dict) and isinstance(inner.get("config"), dict):
        found["layer"] = _wrapped(inner)
    return renamed, found


def _wrapped(layer: dict[str, Json]) -> dict[str, Json]:
    """The layer inside of a wrapper."""
    kind, config = layer.get("class_name"), layer.get("config")
    if not isinstance(kind, str) or not isinstance(config, dict):
        return layer
    renamed, found = modern(kind, config)
    return {**layer, "class_name": renamed, "config": found}
