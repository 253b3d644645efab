"""Layers with settings, as data: what is recorded with Keras and what the tests compare with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """Layers one after another, the first called with all inputs.

    Attributes:
        layers: (class, settings) of each.
        shapes: the inputs' shapes without the batch.
        numbers: how many different whole numbers the inputs hold; 0: real numbers.
    """

    layers: tuple[tuple[str, dict], ...]
    shapes: tuple[tuple, ...]
    numbers: int = 0
    only: tuple[int, ...] = field(default=(2, 3))


def one(kind, shape, numbers=0, only=(2, 3), **settings):
    """A case of one layer with one input."""
    return Case(((kind, settings),), (shape,), numbers, only)


def merge(kind, *shapes, **settings):
    """A case of a layer with several inputs."""
    return Case(((kind, settings),), shapes)


_IMAGE, _SEQUENCE = (7, 6, 4), (5, 3)
_MASKED = ("Masking", {"mask_value": 0.0})

CASES = {
    "dense": one("Dense", (3,), units=4, activation="relu"),
    "dense_sequence": one("Dense", _SEQUENCE, units=4, use_bias=False, activation="softmax"),
    **{
        f"activation_{name}": one("Activation", (2, 6), activation=name)
        for name in (
            [
                "linear",
                "elu",
                "selu",
                "softplus",
                "softsign",
                "relu",
                "tanh",
                "sigmoid",
                "hard_sigmoid",
                "exponential",
                "softmax",
                "swish",
                "gelu",
            ]
        )
    },
    **{
        f"activation3_{name}": one("Activation", (2, 6), only=(3,), activation=name)
        for name in (
            [
                "relu6",
                "leaky_relu",
                "celu",
                "log_sigmoid",
                "tanh_shrink",
                "hard_tanh",
                "log_softmax",
                "mish",
                "hard_silu",
                "hard_shrink",
                "soft_shrink",
                "squareplus",
                "sparse_plus",
                "sparse_sigmoid",
                "silu",
            ]
        )
    },
    "relu_limits": one("ReLU", (9,), max_value=1.5, negative_slope=0.1, threshold=0.3),
    "relu_slope": one("ReLU", (9,), negative_slope=0.1),
    "leaky": one("LeakyReLU", (9,)),
    "prelu": one("PReLU", (4, 3), alpha_initializer="random_normal"),
    "prelu_shared": one("PReLU", (4, 3), alpha_initializer="random_normal", shared_axes=[1]),
    "softmax_axes": one("Softmax", (4, 3), axis=[1, 2]),
    "relu_limit": one("ReLU", (9,), max_value=1.5),
    "thresholded": one("ThresholdedReLU", (9,), only=(2,), theta=0.4),
    "identity": one("Identity", (9,), only=(3,)),
    "conv2d_groups": one("Conv2D", _IMAGE, filters=4, kernel_size=3, groups=2, use_bias=False),
    "average_pool2d_first": one("AveragePooling2D", (2, 5, 6), pool_size=2, data_format="channels_first"),
    "cropping2d_first": one("Cropping2D", (2, 5, 4), cropping=1, data_format="channels_first"),
    "up_sampling2d_cubic": one("UpSampling2D", (3, 4, 2), size=2, interpolation="bicubic"),
    "group_norm_all": one("GroupNormalization", _IMAGE, groups=-1, scale=False),
    "group_norm_first": one("GroupNormalization", _IMAGE, groups=7, axis=1, center=False),
    "layer_norm_plain": one("LayerNormalization", (4, 3), scale=False, center=False),
    "layer_norm_center": one("LayerNormalization", (4, 3), scale=False, beta_initializer="random_normal"),
    "normalization_kept": one("Normalization", (4, 3)),
    "normalization_invert": one("Normalization", (4, 3), invert=True, mean=2.0, variance=4.0),
    "rescaling_channels": one("Rescaling", (4, 3), scale=[0.25, 0.5, 1.0], offset=[[1.0, 2.0, 3.0]]),
    "dot_matrices": merge("Dot", (4, 3), (4, 5), axes=[1, 1]),
    "dot_vector": merge("Dot", (3,), (5, 3), axes=[1, 2]),
    "add_ranks": merge("Add", (4, 3), (3,)),
    "elu": one("ELU", (9,), alpha=0.5),
    "softmax_axis": one("Softmax", (4, 3), axis=1),
    "flatten": one("Flatten", (2, 3, 2)),
    "flatten_first": one("Flatten", (2, 3, 4), data_format="channels_first"),
    "reshape": one("Reshape", (2, 6), target_shape=(3, 4)),
    "reshape_open": one("Reshape", (2, 6), target_shape=(-1, 2)),
    "permute": one("Permute", (2, 3, 4), dims=(3, 1, 2)),
    "repeat_vector": one("RepeatVector", (3,), n=4),
    "embedding": one("Embedding", (5,), numbers=7, input_dim=7, output_dim=3),
    "conv1d": one("Conv1D", (9, 3), filters=4, kernel_size=3, strides=2, padding="same"),
    "conv1d_causal": one("Conv1D", (9, 3), filters=4, kernel_size=3, dilation_rate=2, padding="causal"),
    "conv2d": one("Conv2D", _IMAGE, filters=5, kernel_size=(3, 2), activation="relu"),
    "conv2d_same": one("Conv2D", _IMAGE, filters=5, kernel_size=3, strides=2, padding="same", activation="softmax"),
    "conv3d": one("Conv3D", (4, 5, 3, 2), filters=3, kernel_size=2),
    "conv1d_transpose": one("Conv1DTranspose", (5, 3), filters=4, kernel_size=3, strides=2, padding="same"),
    "conv2d_transpose": one("Conv2DTranspose", _IMAGE, filters=5, kernel_size=(3, 2), strides=(2, 3)),
    "conv2d_transpose_same": one("Conv2DTranspose", _IMAGE, filters=5, kernel_size=4, strides=2, padding="same"),
    "conv2d_transpose_narrow": one("Conv2DTranspose", _IMAGE, filters=2, kernel_size=2, strides=3, padding="same"),
    "conv2d_transpose_extra": one(
        "Conv2DTranspose", _IMAGE, filters=2, kernel_size=3, strides=2, padding="same", output_padding=1
    ),
    "conv3d_transpose": one("Conv3DTranspose", (2, 3, 3, 2), filters=2, kernel_size=2, strides=2),
    "depthwise1d": one("DepthwiseConv1D", (7, 3), kernel_size=3, depth_multiplier=2),
    "depthwise2d": one("DepthwiseConv2D", _IMAGE, kernel_size=3, depth_multiplier=2, padding="same", strides=2),
    "separable1d": one("SeparableConv1D", (7, 3), filters=4, kernel_size=3, depth_multiplier=2),
    "separable2d": one("SeparableConv2D", _IMAGE, filters=4, kernel_size=3, depth_multiplier=2, padding="same"),
    "max_pool1d": one("MaxPooling1D", (7, 3)),
    "max_pool2d": one("MaxPooling2D", _IMAGE, pool_size=3, strides=2, padding="same"),
    "max_pool3d": one("MaxPooling3D", (4, 4, 4, 2)),
    "average_pool1d": one("AveragePooling1D", (7, 3), pool_size=3, strides=1, padding="same"),
    "average_pool2d": one("AveragePooling2D", _IMAGE, pool_size=3, strides=2, padding="same"),
    "average_pool3d": one("AveragePooling3D", (4, 4, 4, 2), pool_size=2),
    "global_max1d": one("GlobalMaxPooling1D", (7, 3)),
    "global_max2d": one("GlobalMaxPooling2D", _IMAGE, keepdims=True),
    "global_max3d": one("GlobalMaxPooling3D", (3, 2, 4, 2)),
    "global_average1d": one("GlobalAveragePooling1D", (7, 3)),
    "global_average2d": one("GlobalAveragePooling2D", _IMAGE),
    "global_average2d_first": one("GlobalAveragePooling2D", _IMAGE, data_format="channels_first"),
    "global_average3d": one("GlobalAveragePooling3D", (3, 2, 4, 2)),
    "global_average_masked": Case((_MASKED, ("GlobalAveragePooling1D", {})), ((5, 3),)),
    "zero_padding1d": one("ZeroPadding1D", (4, 2), padding=(1, 2)),
    "zero_padding2d": one("ZeroPadding2D", (3, 3, 2), padding=((1, 0), (2, 1))),
    "zero_padding3d": one("ZeroPadding3D", (2, 2, 2, 2), padding=1),
    "cropping1d": one("Cropping1D", (6, 2), cropping=(1, 2)),
    "cropping2d": one("Cropping2D", (5, 4, 2), cropping=((1, 0), (2, 1))),
    "cropping3d": one("Cropping3D", (4, 4, 4, 2), cropping=1),
    "up_sampling1d": one("UpSampling1D", (3, 2), size=3),
    "up_sampling2d": one("UpSampling2D", (3, 2, 2), size=(2, 3)),
    "up_sampling2d_linear": one("UpSampling2D", (3, 4, 2), size=(2, 3), interpolation="bilinear"),
    "up_sampling3d": one("UpSampling3D", (2, 2, 2, 2)),
    "batch_norm": one("BatchNormalization", (4, 3), gamma_initializer="random_normal", epsilon=0.01),
    "batch_norm_axis": one("BatchNormalization", (4, 3), axis=1, scale=False, center=False),
    "layer_norm": one("LayerNormalization", (4, 3), beta_initializer="random_normal"),
    "layer_norm_axes": one("LayerNormalization", (4, 3), axis=[1, 2], gamma_initializer="random_normal"),
    "group_norm": one("GroupNormalization", _IMAGE, groups=2, gamma_initializer="random_normal"),
    "unit_norm": one("UnitNormalization", (4, 3)),
    "rms_norm": one("RMSNormalization", (4, 3), only=(3,)),
    "rescaling": one("Rescaling", (4, 3), scale=0.25, offset=-1.0),
    "normalization": one("Normalization", (4, 3), mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]),
    "dropout": one("Dropout", (4,), rate=0.5),
    "gaussian_noise": one("GaussianNoise", (4,), stddev=0.5),
    "spatial_dropout": one("SpatialDropout2D", _IMAGE, rate=0.5),
    "activity_regularization": one("ActivityRegularization", (4,), l1=0.1),
    **{
        name.lower(): merge(name, (4, 3), (4, 3))
        for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
    },
    "add_broadcast": merge("Add", (4, 3), (1, 3), (4, 1)),
    "concatenate": merge("Concatenate", (4, 3), (4, 2)),
    "concatenate_axis": merge("Concatenate", (4, 3), (1, 3), axis=1),
    "dot": merge("Dot", (4, 3), (5, 3), axes=2),
    "dot_vectors": merge("Dot", (3,), (3,), axes=1, normalize=True),
    "lstm": one("LSTM", _SEQUENCE, units=4),
    "lstm_steps": one("LSTM", _SEQUENCE, units=4, return_sequences=True, activation="relu", use_bias=False),
    "lstm_backwards": one("LSTM", _SEQUENCE, units=4, go_backwards=True, recurrent_activation="hard_sigmoid"),
    "lstm_masked": Case((_MASKED, ("LSTM", {"units": 4, "return_sequences": True})), (_SEQUENCE,)),
    "lstm_masked_zero": Case(
        (_MASKED, ("LSTM", {"units": 2, "return_sequences": True, "zero_output_for_mask": True})), (_SEQUENCE,)
    ),
    "lstm_masked_twice": Case(
        (_MASKED, ("LSTM", {"units": 4, "return_sequences": True}), ("LSTM", {"units": 2})), (_SEQUENCE,)
    ),
    "lstm_embedding_masked": Case(
        (("Embedding", {"input_dim": 3, "output_dim": 3, "mask_zero": True}), ("LSTM", {"units": 4})), ((6,),), 3
    ),
    "gru": one("GRU", _SEQUENCE, units=4),
    "gru_before": one("GRU", _SEQUENCE, units=4, reset_after=False, return_sequences=True),
    "gru_masked": Case((_MASKED, ("GRU", {"units": 4})), (_SEQUENCE,)),
    "simple_rnn": one("SimpleRNN", _SEQUENCE, units=4),
    "simple_rnn_steps": one("SimpleRNN", _SEQUENCE, units=4, return_sequences=True, go_backwards=True),
    "einsum_dense": one("EinsumDense", (4, 3), equation="abc,cd->abd", output_shape=(4, 5), bias_axes="d"),
    "einsum_dense_rest": one("EinsumDense", (4, 3), equation="...x,xy->...y", output_shape=5, activation="relu"),
    "attention": merge("Attention", (4, 3), (5, 3)),
    "attention_scaled": merge("Attention", (4, 3), (5, 3), (5, 3), use_scale=True, score_mode="concat"),
    "attention_concat": merge("Attention", (4, 3), (5, 3), score_mode="concat"),
    "additive_attention": merge("AdditiveAttention", (4, 3), (5, 3)),
    **{
        f"adaptive_{how}{axes}d": one(
            f"Adaptive{how.title()}Pooling{axes}D",
            (*(7, 5, 6)[:axes], 2),
            only=(3,),
            **{"output_size": (3, 5, 2)[:axes] if axes > 1 else 3},
        )
        for how in ("average", "max")
        for axes in (1, 2, 3)
    },
    "conv_lstm1d": one("ConvLSTM1D", (3, 5, 2), filters=2, kernel_size=3),
    "conv_lstm2d": one("ConvLSTM2D", (3, 4, 5, 2), filters=2, kernel_size=2, padding="same", return_sequences=True),
    "conv_lstm2d_back": one("ConvLSTM2D", (2, 4, 5, 2), filters=2, kernel_size=2, go_backwards=True, use_bias=False),
    "conv_lstm3d": one("ConvLSTM3D", (2, 3, 4, 3, 1), filters=1, kernel_size=2, strides=2, return_state=True),
    "reversible": one("ReversibleEmbedding", (5,), numbers=7, only=(3,), input_dim=7, output_dim=3, tie_weights=False),
    "resizing": one("Resizing", (5, 4, 2), height=3, width=7),
    "resizing_nearest": one("Resizing", (5, 4, 2), height=3, width=7, interpolation="nearest"),
    "resizing_cubic": one("Resizing", (5, 4, 2), height=10, width=8, interpolation="bicubic"),
    "resizing_cropped": one("Resizing", (8, 4, 2), height=3, width=3, crop_to_aspect_ratio=True),
    "center_crop": one("CenterCrop", (8, 7, 2), height=3, width=4),
    "center_crop_small": one("CenterCrop", (3, 7, 2), height=5, width=4),
    "auto_contrast": one("AutoContrast", (5, 4, 2), only=(3,), value_range=[0.0, 1.0]),
    "random_flip": one("RandomFlip", (5, 4, 2)),
    "random_rotation": one("RandomRotation", (5, 4, 2), factor=0.2),
    "mel": one("MelSpectrogram", (300,), only=(3,), fft_length=64, sequence_stride=20, num_mel_bins=12),
    "mel_plain": one(
        "MelSpectrogram", (300,), only=(3,), fft_length=64, sequence_length=50, sequence_stride=20, num_mel_bins=12,
        window="hamming", power_to_db=False, mag_exp=1.0, max_freq=6000, sampling_rate=22050,
    ),
    **{
        f"stft_{mode}": one(
            "STFTSpectrogram", (60, 2), only=(3,), mode=mode, frame_length=16, frame_step=5,
            padding="same" if mode == "log" else "valid", expand_dims=mode in ("log", "psd"),
        )
        for mode in ("log", "magnitude", "psd", "real", "imag", "angle", "stft")
    },
    "clahe": one(
        "ContrastLimitedAdaptiveHistogramEqualization", (13, 18, 3), only=(3,), tile_grid_size=(3, 4),
        value_range=(-2, 2),
    ),
    "clahe_unlimited": one(
        "ContrastLimitedAdaptiveHistogramEqualization", (8, 8, 1), only=(3,), tile_grid_size=(2, 2),
        value_range=(0, 255), clip_limit=0,
    ),
}  # fmt: skip
