"""Models that take more than layers in a row, as functions of the Keras that builds them."""

from __future__ import annotations

from tests.frontends.keras.networks_quantized import QUANTIZED


def shared(keras):
    """One layer called twice."""
    a, b = keras.layers.Input((3,), name="a"), keras.layers.Input((3,), name="b")
    layer = keras.layers.Dense(4, name="both")
    return keras.Model([a, b], keras.layers.Concatenate()([layer(a), layer(b)]))


def nested(keras):
    """A Sequential model and a functional one as layers, one of them called twice."""
    x = keras.layers.Input((6, 5, 2), name="x")
    first = keras.Sequential(
        [keras.layers.Input((6, 5, 2)), keras.layers.Conv2D(3, 2), keras.layers.BatchNormalization()], name="first"
    )
    inner = keras.layers.Input((5, 4, 3))
    second = keras.Model(inner, keras.layers.Conv2D(3, 3, padding="same", name="conv")(inner), name="second")
    return keras.Model(x, second(second(first(x))))


def outputs(keras):
    """Two outputs, one of them made by a layer that gives several."""
    x = keras.layers.Input((5, 3), name="x")
    steps, h, c = keras.layers.LSTM(4, return_sequences=True, return_state=True)(x)
    return keras.Model(x, [keras.layers.Dense(2)(steps), keras.layers.Add()([h, c])])


def states(keras):
    """A layer that begins with states that another ended with."""
    x, y = keras.layers.Input((5, 3), name="x"), keras.layers.Input((4, 3), name="y")
    _, h, c = keras.layers.LSTM(4, return_state=True)(x)
    return keras.Model([x, y], keras.layers.LSTM(4)(y, initial_state=[h, c]))


def both_ways(keras, mode="concat", layer="LSTM", **settings):
    """A recurrent layer that runs both ways."""
    x = keras.layers.Input((5, 3), name="x")
    inner = getattr(keras.layers, layer)(4, **settings)
    return keras.Model(x, keras.layers.Bidirectional(inner, merge_mode=mode)(x))


def masked_both_ways(keras):
    """The same over steps that do not all count."""
    x = keras.layers.Input((5, 3), name="x")
    inner = keras.layers.GRU(4, return_sequences=True)
    return keras.Model(x, keras.layers.Bidirectional(inner)(keras.layers.Masking()(x)))


def each_step(keras):
    """A convolution of every image of a sequence."""
    x = keras.layers.Input((3, 5, 4, 2), name="x")
    return keras.Model(x, keras.layers.TimeDistributed(keras.layers.Conv2D(3, 2))(x))


def each_step_model(keras):
    """A model of every step."""
    x = keras.layers.Input((3, 4), name="x")
    inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    return keras.Model(x, keras.layers.TimeDistributed(inner)(x))


def sequential(keras):
    """A convolutional network in a row."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _of(keras, *shapes):
    return [keras.layers.Input(shape, name=f"x{index}") for index, shape in enumerate(shapes)]


def numbers(keras):
    """Operations on every element, between tensors and with numbers."""
    ops = keras.ops
    x, y = _of(keras, (4, 3), (4, 3))
    found = [
        ops.power(ops.abs(x), 2.0),
        2.0 - x,
        x / (ops.square(y) + 1.0),
        ops.floor_divide(x, 0.5),
        ops.mod(x, 0.7),
        ops.maximum(x, y) * ops.minimum(x, 0.2),
        ops.where(x > y, x, 0.0),
        ops.where(ops.logical_and(x >= 0.0, ops.logical_not(y <= 0.1)), 1.0, y),
        ops.cast(ops.logical_or(x < y, ops.equal(x, 0.0)), "float32"),
        ops.cast(ops.argmax(x, axis=-1), "float32") + 0.5,
        ops.cast(ops.cast(ops.floor(x), "int32") + 2, "float32"),
        ops.cast(ops.cast(x > 0, "int32") / 2, "float32"),
        ops.sqrt(ops.cast(ops.cast(x > 0, "int32"), "int32")),
    ]
    return keras.Model([x, y], found)


def functions(keras):
    """Functions of one tensor."""
    ops = nn = keras.ops
    (x,) = _of(keras, (4, 3))
    positive = ops.square(x) + 0.5
    found = [
        ops.exp(x) + ops.expm1(x),
        ops.log(positive) + ops.log1p(positive) + ops.rsqrt(positive) + ops.reciprocal(positive),
        ops.ceil(x) + ops.sign(x) - ops.negative(x),
        ops.sin(x) + ops.cos(x) + ops.tan(x) + ops.sinh(x) + ops.cosh(x) + ops.arctan(x) + ops.erf(x),
        nn.relu(x) + nn.relu6(x) + nn.sigmoid(x) + nn.log_sigmoid(x) + ops.tanh(x) + nn.softplus(x) + nn.softsign(x),
        nn.silu(x) + nn.hard_silu(x) + nn.hard_sigmoid(x) + nn.hard_tanh(x) + nn.selu(x),
        nn.gelu(x, approximate=True) + nn.gelu(x, approximate=False) + nn.leaky_relu(x, 0.3) + nn.elu(x, 0.4),
        nn.celu(x, 0.4) + nn.softmax(x, axis=1) + nn.log_softmax(x),
        ops.clip(x, -0.2, 0.3),
    ]
    return keras.Model(x, found)


def reductions(keras):
    """Sums, means and extremes along axes."""
    ops = keras.ops
    (x,) = _of(keras, (4, 3))
    found = [
        ops.sum(x, axis=1),
        ops.mean(x, axis=[1, 2], keepdims=True),
        ops.max(x, axis=-1) + ops.min(x, axis=-1) + ops.prod(x, axis=-1),
        ops.var(x, axis=1) + ops.std(x, axis=1),
        ops.logsumexp(x, axis=2),
        ops.cast(ops.all(x > -1.0, axis=2), "float32") + ops.cast(ops.any(x, axis=2), "float32"),
        ops.cast(ops.argmin(x, axis=1), "float32"),
    ]
    return keras.Model(x, found)


def shapes(keras):
    """Elements moved about."""
    ops = keras.ops
    (x,) = _of(keras, (4, 6))
    halves = ops.split(x, 2, axis=2)
    parts = ops.split(x, [1, 3], axis=1)
    found = [
        ops.reshape(x, (-1, 3, 8)),
        ops.transpose(x, (0, 2, 1)),
        ops.swapaxes(x, 1, -1),
        ops.squeeze(ops.expand_dims(x, (1, -1)), axis=-1),
        ops.concatenate([halves[1], halves[0]], axis=-1),
        ops.stack(halves, axis=1),
        ops.concatenate([parts[2], parts[0], parts[1]], axis=1),
        ops.flip(x, axis=1),
        ops.tile(x, (1, 2, 1)),
        ops.repeat(x, 2, axis=2),
        ops.take(x, [2, 0], axis=1),
        x[:, 1:3, ::2],
        x[:, 0],
        x[:, -1, -3:-1],
        ops.broadcast_to(x[:, :1], (2, 4, 6)),
        ops.squeeze(x[:, :1, :1]),
    ]
    return keras.Model(x, found)


def places(keras):
    """What is written at places: zeros, tensors and numbers with others in them; several may fall on one."""
    ops, layers = keras.ops, keras.layers
    n, v = layers.Input((3, 2), name="n", dtype="int32"), layers.Input((3,), name="v")
    table = ops.matmul(ops.transpose(v), v)
    numbers = [[0, 1], [2, 0]]
    found = [ops.scatter(n, v, (7, 7)), ops.scatter_update(table, numbers, [0.5, 2.0])]
    for reduction in (None, "add", "max", "min"):
        wide = ops.pad(table, [[0, 4], [0, 4]])
        found.append(ops.scatter_update(wide, n, v, reduction=reduction))
    found.append(ops.scatter_update(table, [[0, 1], [2, 0], [0, 1]], ops.sum(v, axis=0), reduction="mul"))
    return keras.Model([n, v], found)


def products(keras):
    """Products of tensors."""
    ops = keras.ops
    x, y = _of(keras, (4, 3), (3, 5))
    return keras.Model([x, y], [ops.matmul(x, y), ops.einsum("bij,bjk->bki", x, y)])


def activations(keras):
    """Activations that are layers with settings, and those of layers with weights."""
    layers = keras.layers
    (x,) = _of(keras, (5, 3))
    found = [
        layers.Dense(2, activation=layers.LeakyReLU(0.1))(x),
        layers.Dense(2, activation=keras.activations.tanh)(x),
        layers.GRU(2, activation="elu", recurrent_activation="hard_sigmoid")(x),
    ]
    return keras.Model(x, found)


def joined(keras):
    """Sequences with masks put together, and one with states of another."""
    layers = keras.layers
    x, y = _of(keras, (5, 3), (5, 3))
    a, b = layers.Masking()(x), layers.Masking()(y)
    along = layers.LSTM(2)(layers.Concatenate(axis=1)([a, b]))
    beside = layers.LSTM(2)(layers.Concatenate()([a, b]))
    both = layers.GRU(2)(layers.Add()([a, b]))
    return keras.Model([x, y], [along, beside, both])


def both_ways_states(keras):
    """A layer that runs both ways and gives its states and its parts apart."""
    layers = keras.layers
    x, y = _of(keras, (5, 3), (4, 3))
    inner = layers.LSTM(2, return_sequences=True, return_state=True)
    there, back, *ends = layers.Bidirectional(inner, merge_mode=None)(x)
    again = layers.Bidirectional(layers.LSTM(2))(y, initial_state=ends)
    return keras.Model([x, y], [there, back, *ends, again])


def backward_layer(keras):
    """A layer of its own for the way back."""
    (x,) = _of(keras, (5, 3))
    layers = keras.layers
    back = layers.GRU(2, go_backwards=True, activation="relu")
    return keras.Model(x, layers.Bidirectional(layers.GRU(2), backward_layer=back)(x))


def masked_model(keras):
    """A model of a masked sequence."""
    layers = keras.layers
    (x,) = _of(keras, (5, 3))
    inner = keras.Sequential([layers.Input((5, 3)), layers.LSTM(2, return_sequences=True), layers.LSTM(2)])
    return keras.Model(x, inner(layers.Masking()(x)))


def heads(keras, mask=False, settings=None, call=None, layer="MultiHeadAttention"):
    """Attention of several heads, of masked sequences too."""
    layers = keras.layers
    x, y = _of(keras, (5, 3), (5, 3))
    a, b = (layers.Masking()(x), layers.Masking()(y)) if mask else (x, y)
    made = getattr(layers, layer)(**(settings or {"num_heads": 2, "key_dim": 4}))(a, b, **(call or {}))
    return keras.Model([x, y], made)


def attention_masks(keras):
    """Attention of masked sequences, and with a mask of its own."""
    layers = keras.layers
    x, y = _of(keras, (5, 3), (5, 3))
    a, b = layers.Masking()(x), layers.Masking()(y)
    found = [
        layers.Attention()([a, b]),
        layers.Attention()([x, b]),
        layers.AdditiveAttention()([a, y]),
        layers.Attention()([a, b], use_causal_mask=True),
        *layers.Attention()([x, y], return_attention_scores=True, use_causal_mask=True),
    ]
    return keras.Model([x, y], found)


def masked_softmax(keras):
    """A softmax with a mask."""
    x, y = _of(keras, (5, 3), (5, 3))
    return keras.Model([x, y], keras.layers.Softmax()(x, mask=keras.ops.greater(y, 0.0)))


def cells(keras):
    """Recurrent layers of cells, one and several."""
    layers = keras.layers
    (x,) = _of(keras, (5, 3))
    stacked = layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(3), layers.LSTMCell(2)])
    found = [
        layers.RNN(layers.GRUCell(2), return_sequences=True)(x),
        layers.RNN(layers.SimpleRNNCell(2))(layers.Masking()(x)),
        layers.RNN(stacked)(x),
        *layers.RNN(layers.LSTMCell(2), return_state=True)(x),
    ]
    return keras.Model(x, found)


def one_step(keras):
    """A cell by itself."""
    x, h, c = _of(keras, (3,), (2,), (2,))
    y, states = keras.layers.LSTMCell(2)(x, [h, c])
    return keras.Model([x, h, c], [y, *states])


def stacked_step(keras):
    """Cells on top of each other by themselves."""
    x, h, c, state = _of(keras, (3,), (2,), (2,), (4,))
    layers = keras.layers
    y, ((new_h, new_c), new) = layers.StackedRNNCells([layers.LSTMCell(2), layers.GRUCell(4)])(x, [[h, c], state])
    return keras.Model([x, h, c, state], [y, new_h, new_c, new])


def mixed(keras, policy):
    """Layers that compute with fewer bits than their weights have, and one behind them that has all."""
    layers = keras.layers
    x, y = _of(keras, (6, 6, 2), (5, 3))
    image = layers.Conv2D(4, 3, activation="relu", dtype=policy)(x)
    image = layers.BatchNormalization(dtype=policy)(image)
    image = layers.SeparableConv2D(4, 2, dtype=policy)(layers.Rescaling(0.5, 1.0, dtype=policy)(image))
    flat = layers.LayerNormalization(dtype=policy)(layers.Flatten(dtype=policy)(image))
    steps = layers.Masking(dtype=policy)(y)
    steps = layers.Bidirectional(layers.LSTM(2, return_sequences=True, dtype=policy), dtype=policy)(steps)
    steps = layers.MultiHeadAttention(2, 2, dtype=policy)(steps, steps)
    steps = layers.Attention(dtype=policy)([steps, steps])
    last = layers.Concatenate(dtype=policy)([flat, layers.GRU(3, dtype=policy)(steps)])
    return keras.Model([x, y], layers.Dense(3, activation="softmax", dtype="float32")(last))


def spectral(keras):
    """A layer whose weights are normalised in training."""
    (x,) = _of(keras, (4, 3))
    return keras.Model(x, keras.layers.SpectralNormalization(keras.layers.Dense(2))(x))


def back(keras):
    """An embedding that goes there and back."""
    x = keras.layers.Input((5,), name="x", dtype="int32")
    layer = keras.layers.ReversibleEmbedding(7, 3, logit_soft_cap=2.0)
    return keras.Model(x, layer(layer(x), reverse=True))


def categories(keras):
    """Numbers of categories, as they are and as ones and counts."""
    layers = keras.layers
    x = keras.layers.Input((5,), name="x", dtype="int32")
    y = keras.layers.Input((3,), name="y")
    adapted = layers.IntegerLookup(output_mode="int", mask_token=0)
    adapted.adapt([[3, 5, 3, 2, 0]])
    found = [
        *(layers.CategoryEncoding(8, output_mode=mode)(x) for mode in ("one_hot", "multi_hot", "count")),
        layers.Discretization([-0.5, 0.0, 0.25])(y),
        layers.Discretization([-0.5, 0.0, 0.25], output_mode="multi_hot")(y),
        layers.IntegerLookup(vocabulary=[4, 2, 6])(x),
        layers.IntegerLookup(vocabulary=[4, 2, 6], mask_token=0, output_mode="count")(x),
        adapted(x),
        layers.IntegerLookup(vocabulary=[4, 2, 6], invert=True)(x),
    ]
    return keras.Model([x, y], found)


def text(keras):
    """Texts as numbers of their words, as counts, and hashed; the last vocabulary was learnt."""
    layers = keras.layers
    x, n = layers.Input((1,), name="x", dtype="string"), layers.Input((3,), name="n", dtype="int64")
    words = ["the", "fox", "quick", "over", "the quick", "fox fox", "q"]
    settings = (
        {},
        {"output_sequence_length": 4, "standardize": "lower"},
        {"output_mode": "multi_hot", "standardize": "strip_punctuation"},
        {"output_mode": "count", "pad_to_max_tokens": True, "max_tokens": 10, "ngrams": (1, 2)},
        {"output_mode": "tf_idf", "idf_weights": [0.5, 1.0, 2.0, 0.25, 3.0, 1.5, 0.125]},
        {"split": "character", "output_sequence_length": 12},
        {"split": None, "standardize": None},
        {"ngrams": 2, "output_sequence_length": 9},
    )
    learnt = layers.TextVectorization(max_tokens=6, output_mode="tf_idf")
    learnt.adapt([["The quick fox"], ["a fox, the fox"], ["over there"]])
    counted = {"output_mode": "count", "salt": 5}
    buckets = ({}, {"salt": [133, 7]}, {"mask_value": ""}, {"output_mode": "one_hot"}, counted)
    found = [
        *(layers.TextVectorization(vocabulary=words, **each)(x) for each in settings),
        learnt(x),
        *(layers.Hashing(7, **each)(x) for each in buckets),
        layers.Hashing(11, mask_value=7, dtype="int32")(n),
    ]
    return keras.Model([x, n], found)


def crossed(keras):
    """Features that are crossed, texts with numbers, in rows of one and without; as buckets and as ones for them."""
    layers = keras.layers
    x, m = layers.Input((1,), name="x", dtype="string"), layers.Input((1,), name="m", dtype="int64")
    y, n = layers.Input((), name="y", dtype="string"), layers.Input((), name="n", dtype="int32")
    found = [
        layers.HashedCrossing(11)([x, m]),
        layers.HashedCrossing((1 << 62) + 3)([n, y]),
        layers.HashedCrossing(5, output_mode="one_hot")([m, m]),
        layers.HashedCrossing(1000, dtype="int32")([y, y]),
        layers.HashedCrossing(5, output_mode="one_hot", dtype="int64")([y, n]),
        layers.Hashing(5, output_mode="count", dtype="int32")(m),
    ]
    return keras.Model([x, m, y, n], found)


def adapted(keras):
    """Layers that were trained by LoRA: their files hold the products of its weights with the kernels' sums."""
    layers = keras.layers
    x, n = layers.Input((4, 4, 2), name="x"), layers.Input((5,), name="n", dtype="int32")
    held = [
        layers.Conv2D(3, 2),
        layers.Dense(3),
        layers.EinsumDense("abcd,de->abce", (3, 3, 2)),
        layers.Embedding(7, 3),
    ]
    y = x
    for layer in held[:3]:
        y = layer(y)
    found = [y, held[3](n)]
    for layer in held:
        layer.enable_lora(2)
    return keras.Model([x, n], found)


NETWORKS = {
    "shared": (shared, (2, 3)),
    "nested": (nested, (2, 3)),
    "outputs": (outputs, (2, 3)),
    "states": (states, (2, 3)),
    "both_ways": (both_ways, (2, 3)),
    "both_ways_sum": (lambda keras: both_ways(keras, "sum", "GRU", return_sequences=True), (2, 3)),
    "both_ways_ave": (lambda keras: both_ways(keras, "ave", "SimpleRNN"), (2, 3)),
    "both_ways_mul": (lambda keras: both_ways(keras, "mul"), (2, 3)),
    "masked_both_ways": (masked_both_ways, (2, 3)),
    "each_step": (each_step, (2, 3)),
    "each_step_model": (each_step_model, (2, 3)),
    "sequential": (sequential, (2, 3)),
    "activations": (activations, (2, 3)),
    "joined": (joined, (2, 3)),
    "both_ways_states": (both_ways_states, (2, 3)),
    "backward_layer": (backward_layer, (2, 3)),
    "masked_model": (masked_model, (2, 3)),
    "numbers": (numbers, (3,)),
    "functions": (functions, (3,)),
    "reductions": (reductions, (3,)),
    "shapes": (shapes, (3,)),
    "places": (places, (3,)),
    "products": (products, (3,)),
    "heads": (heads, (2, 3)),
    "heads_masked": (lambda keras: heads(keras, True), (2, 3)),
    "heads_causal": (lambda keras: heads(keras, False, call={"use_causal_mask": True}), (2, 3)),
    "heads_both": (
        lambda keras: heads(keras, True, {"num_heads": 2, "key_dim": 4, "use_bias": False}, {"use_causal_mask": True}),
        (2, 3),
    ),
    "heads_scores": (lambda keras: heads(keras, True, call={"return_attention_scores": True}), (3,)),
    "heads_gated": (
        lambda keras: heads(
            keras, False, {"num_heads": 1, "key_dim": 4, "value_dim": 2, "use_gate": True, "sliding_window": 2}
        ),
        (3,),
    ),
    "heads_grouped": (
        lambda keras: heads(
            keras,
            True,
            {"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2, "dropout": 0.1},
            layer="GroupQueryAttention",
        ),
        (3,),
    ),
    "attention_masks": (attention_masks, (2, 3)),
    "masked_softmax": (masked_softmax, (3,)),
    "cells": (cells, (2, 3)),
    "one_step": (one_step, (3,)),
    "stacked_step": (stacked_step, (3,)),
    "mixed_float16": (lambda keras: mixed(keras, "mixed_float16"), (2, 3)),
    "mixed_bfloat16": (lambda keras: mixed(keras, "mixed_bfloat16"), (2, 3)),
    **QUANTIZED,
    "crossed": (crossed, (3,)),
    "adapted": (adapted, (3,)),
    "text": (text, (3,)),
    "spectral": (spectral, (3,)),
    "back": (back, (3,)),
    "categories": (categories, (3,)),
}
