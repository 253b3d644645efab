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


EQUATIONS = (("abc,cde->abde", (5, 3, 4), "de"), ("abde,dec->abc", (5, 7), "c"), ("abc,cd->adb", (3, 5), None))
"""Products of attention, and one without a bias that moves axes."""


def equations(keras, mode, config=None):
    """Products that equations describe."""
    x = y = keras.layers.Input((5, 6), name="x")
    for equation, sizes, axes in EQUATIONS:
        y = keras.layers.EinsumDense(equation, sizes, bias_axes=axes)(y)
    model = keras.Model(x, y)
    model.quantize(mode) if config is None else model.quantize(config=config(keras))
    return model


def rounded(keras):
    """Products of inputs and kernels that are rounded to 8 bits with a fraction, some of them beyond the largest."""
    x = y = keras.layers.Input((5, 6), name="x")
    held = [keras.layers.EinsumDense(*EQUATIONS[0][:2], bias_axes="de"), keras.layers.Dense(3), keras.layers.Dense(2)]
    for layer in held:
        y = layer(y)
    for place, layer in enumerate(held):
        layer.quantize("float8")
        layer.inputs_scale.assign(0.003 + 0.1 * place)
        layer.kernel_scale.assign(0.02)
    return keras.Model(x, y)


QUANTIZED = {
    "quantized_int8": (lambda keras: quantized(keras, "int8"), (3,)),
    "quantized_int8_weights": (lambda keras: quantized(keras, "int8", 1), (3,)),
    "quantized_int4": (lambda keras: quantized(keras, "int4", 2), (3,)),
    "quantized_int4_rows": (lambda keras: quantized(keras, "int4", -1), (3,)),
    "equations_int8": (lambda keras: equations(keras, "int8"), (3,)),
    "equations_int8_weights": (
        lambda keras: equations(keras, "int8", lambda each: each.quantizers.Int8QuantizationConfig(None, None)),
        (3,),
    ),
    "equations_int4": (
        lambda keras: equations(keras, "int4", lambda each: each.quantizers.Int4QuantizationConfig(block_size=2)),
        (3,),
    ),
    "equations_int4_rows": (
        lambda keras: equations(keras, "int4", lambda each: each.quantizers.Int4QuantizationConfig(block_size=-1)),
        (3,),
    ),
    "rounded_float8": (rounded, (3,)),
}
