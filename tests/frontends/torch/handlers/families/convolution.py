"""Convolutions."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call, fixed

SETTINGS = (([1, 1], [0, 0], [1, 1], 1), ([2, 1], [1, 2], [1, 2], 1), ([2, 2], [1, 1], [1, 1], 2))
"""Strides, padding, dilation, groups."""


def _sizes(transposed: bool, stride: list[int], padding: list[int], dilation: list[int]) -> list[int]:
    """The spatial sizes of the result for an image of 9 by 8 and a window of 3 by 2."""
    found: list[int] = []
    for size, window, step, pad, gap in zip((9, 8), (3, 2), stride, padding, dilation, strict=True):
        reach = gap * (window - 1) + 1
        found.append((size - 1) * step - 2 * pad + reach if transposed else (size + 2 * pad - reach) // step + 1)
    return found


def _calls() -> Iterator[Example]:
    """Strides, padding, dilation, groups, with and without bias and batch; both directions; derivatives."""
    r = Draws(3)
    for stride, padding, dilation, groups in SETTINGS:
        x, small = r(2, 4, 9, 8), r(2, 4, 5, 6)
        for bias in (None, r(6)):
            w, t = r(6, 4 // groups, 3, 2), r(4, 6 // groups, 3, 2)
            extra = [0, 0] if max(stride) == 1 else [1, 0]
            yield call("convolution", x, w, bias, stride, padding, dilation, False, [0, 0], groups)
            yield call("conv2d", x, w, bias, stride, padding, dilation, groups)
            yield call("conv2d", x[0], w, bias, stride, padding, dilation, groups)
            yield call("conv_transpose2d.input", small, t, bias, stride, padding, extra, groups, dilation)
            yield call("convolution", small, t, bias, stride, padding, dilation, True, [0, 0], groups)
            yield call("conv1d", x[:, :, 0], w[..., 0], bias, stride[:1], padding[:1], [1], groups)
            yield call("conv3d", r(1, 4, 5, 6, 7), r(6, 4 // groups, 3, 2, 2), bias, [1], [1], [1], groups)
        for transposed in (False, True):
            w = r(4, 6 // groups, 3, 2) if transposed else r(6, 4 // groups, 3, 2)
            dy = r(2, 6, *_sizes(transposed, stride, padding, dilation))
            rest = [stride, padding, dilation, transposed, [0, 0], groups]
            yield call("convolution_backward", dy, x, w, [6], *rest, [True, True, True])
            yield call("convolution_backward", dy, x, w, None, *rest, [False, True, False])
    yield fixed("conv1d.padding", r(2, 4, 9), r(6, 4, 3), None, [1], "same")
    yield fixed("conv2d.padding", r(2, 4, 9, 8), r(6, 4, 3, 3), None, [1], "same", [2, 1])
    yield call("conv2d.padding", r(2, 4, 9, 8), r(6, 4, 3, 2), None, [2], "valid")
    yield fixed("conv3d.padding", r(1, 2, 4, 4, 4), r(3, 2, 3, 3, 3), r(3), [1], "same")
    yield call("conv_transpose1d", r(2, 3, 5), r(3, 4, 3), r(4), [2], [1], [1])
    yield call("conv_transpose3d.input", r(1, 2, 3, 3, 3), r(2, 3, 2, 2, 2), None, [2, 2, 2])


CALLS = tuple(_calls())
