"""Models whose weights are whole numbers of few bits, as functions of the Keras that builds them."""

from __future__ import annotations


def quantized(keras, mode, block=None):
    """Products and rows of tables whose weights are whole numbers of few bits."""
    layers = keras.layers
    x, n = layers.Input((6,), name="x"), layers.Input((5,), name="n", dtype="int32")
    rows = layers.Dense(4, activation="tanh")(layers.Embedding(9, 5, mask_zero=True)(n))
    model = keras.Model([x, n], [layers.Dense(3, use_bias=False)(layers.Dense(7)(x)), rows])
    kind = keras.quantizers.Int8QuantizationConfig if mode == "int8" else keras.quantizers.Int4QuantizationConfig
    settings = {"activation_quantizer": None} if mode == "int8" else {"block_size": block}
    model.quantize(config=kind(**settings)) if block else model.quantize(mode)
    return model


QUANTIZED = {
    "quantized_int8": (lambda keras: quantized(keras, "int8"), (3,)),
    "quantized_int8_weights": (lambda keras: quantized(keras, "int8", 1), (3,)),
    "quantized_int4": (lambda keras: quantized(keras, "int4", 2), (3,)),
    "quantized_int4_rows": (lambda keras: quantized(keras, "int4", -1), (3,)),
}
