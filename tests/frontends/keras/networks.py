"""Models that take more than layers in a row, as functions of the Keras that builds them."""

from __future__ import annotations


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
}
