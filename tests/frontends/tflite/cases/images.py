"""Convolutions, pooling and resizing of real numbers."""

from __future__ import annotations

import numpy as np

from tests.frontends.tflite.models import Case, Fed, Held, single


def spread(*shape: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Real numbers around 0."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


IMAGE = spread(2, 7, 6, 3)


def _convolutions() -> list[Case]:
    made = []
    for padding in ("SAME", "VALID"):
        for strides, dilation in (((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 1), (2, 2))):
            words = {
                "padding": padding,
                "stride_h": strides[0],
                "stride_w": strides[1],
                "dilation_h_factor": dilation[0],
                "dilation_w_factor": dilation[1],
            }
            name = f"{padding} {strides} {dilation}"
            bias = Held(spread(4, seed=2))
            made.append(
                single(
                    "CONV_2D",
                    Fed(IMAGE),
                    Held(spread(4, 3, 2, 3, seed=1)),
                    bias,
                    options={"Conv2DOptions": words},
                    name=name,
                )
            )
            deep = {**words, "depth_multiplier": 2}
            weights = Held(spread(1, 2, 3, 6, seed=1))
            made.append(
                single(
                    "DEPTHWISE_CONV_2D",
                    Fed(IMAGE),
                    weights,
                    Held(spread(6, seed=2)),
                    options={"DepthwiseConv2DOptions": deep},
                    name=name,
                )
            )
    grouped = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "fused_activation_function": "RELU6"}
    made.append(
        single(
            "CONV_2D",
            Fed(spread(1, 5, 5, 4)),
            Held(spread(6, 3, 3, 2, seed=1)),
            Held(spread(6)),
            options={"Conv2DOptions": grouped},
            name="groups",
        )
    )
    return made


def _transposed() -> list[Case]:
    made = []
    for padding, size in (("SAME", (1, 10, 8, 2)), ("VALID", (1, 11, 10, 2))):
        words = {"TransposeConvOptions": {"padding": padding, "stride_h": 2, "stride_w": 2}}
        sizes, weights = Held(np.array(size, np.int32)), Held(spread(2, 3, 4, 3, seed=1))
        made.append(single("TRANSPOSE_CONV", sizes, weights, Fed(spread(1, 5, 4, 3)), options=words, name=padding))
        made.append(
            single(
                "TRANSPOSE_CONV",
                sizes,
                weights,
                Fed(spread(1, 5, 4, 3)),
                Held(spread(2)),
                options=words,
                name=f"{padding} bias",
            )
        )
    for padding in ("SAME", "VALID"):
        words = {"padding": padding, "stride_d": 2, "stride_h": 1, "stride_w": 1}
        volume, weights = spread(1, 4, 4, 3, 2), spread(2, 2, 2, 2, 3, seed=1)
        made.append(
            single(
                "CONV_3D", Fed(volume), Held(weights), Held(spread(3)), options={"Conv3DOptions": words}, name=padding
            )
        )
        small = Fed(spread(1, 2, 2, 2, 2))
        out = np.array([1, 4, 2, 2, 3] if padding == "SAME" else [1, 4, 3, 3, 3], np.int32)
        back = Held(spread(2, 2, 2, 3, 2, seed=1))
        made.append(single("CONV_3D_TRANSPOSE", Held(out), back, small, options={"Conv3DOptions": words}, name=padding))
    return made


def _products() -> list[Case]:
    made = []
    weights, bias = Held(spread(5, 6, seed=1)), Held(spread(5, seed=2))
    for keeps in (False, True):
        words = {"FullyConnectedOptions": {"keep_num_dims": keeps, "fused_activation_function": "RELU"}}
        made.append(single("FULLY_CONNECTED", Fed(spread(2, 3, 6)), weights, bias, options=words, name=f"kept {keeps}"))
    made.append(
        single("FULLY_CONNECTED", Fed(spread(4, 3)), weights, options={"FullyConnectedOptions": {}}, name="flat")
    )
    for adj_x in (False, True):
        for adj_y in (False, True):
            x = spread(2, 1, 4, 3) if adj_x else spread(2, 1, 3, 4)
            y = spread(3, 5, 4, seed=1) if adj_y else spread(3, 4, 5, seed=1)
            words = {"BatchMatMulOptions": {"adj_x": adj_x, "adj_y": adj_y}}
            made.append(single("BATCH_MATMUL", Fed(x), Fed(y), options=words, name=f"{adj_x} {adj_y}"))
    return made


def _windows() -> list[Case]:
    made = []
    for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D"):
        for padding in ("SAME", "VALID"):
            words = {"padding": padding, "stride_h": 2, "stride_w": 1, "filter_height": 3, "filter_width": 2}
            made.append(single(kind, Fed(IMAGE), options={"Pool2DOptions": words}, name=padding))
    for kind, table in (
        ("RESIZE_BILINEAR", "ResizeBilinearOptions"),
        ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions"),
    ):
        for sizes in ((11, 9), (3, 4), (7, 13)):
            for words in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
                name = f"{sizes} {' '.join(words)}"
                held = Held(np.array(sizes, np.int32))
                made.append(single(kind, Fed(IMAGE), held, options={table: words}, name=name, tolerance=1e-5))
    made.append(single("DEPTH_TO_SPACE", Fed(spread(1, 2, 3, 8)), options={"DepthToSpaceOptions": {"block_size": 2}}))
    made.append(single("SPACE_TO_DEPTH", Fed(spread(1, 4, 6, 2)), options={"SpaceToDepthOptions": {"block_size": 2}}))
    return made


CASES = (*_convolutions(), *_transposed(), *_products(), *_windows())
"""The cases of this family."""
