"""Pooling."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.handlers.call import Draws, Example, call, fixed


def _size(length: int, window: int, stride: int, pad: int, ceil_mode: bool) -> int:
    """How many windows there are (aten/src/ATen/native/Pool.h)."""
    count = (length + 2 * pad - window + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= length + pad else count


def _calls() -> Iterator[Example]:
    """Strides, padding, ceil_mode, divisors; adaptive windows that are alike and that are not; derivatives."""
    r = Draws(6)
    x = r(2, 3, 9, 8)
    for stride in ([], [2], [1]):
        for pad, up in ((0, False), (1, True), (1, False), (0, True)):
            yield call("max_pool2d", x, [3, 2], stride, pad, 1, up)
            yield call("max_pool2d_with_indices", x, [3, 2], stride, pad, 1, up)
            yield call("max_pool1d", x[0], [3], stride, [pad], [2], up)
            yield call("max_pool3d", r(1, 2, 5, 6, 7), [3, 2, 2], stride, pad, 1, up)
            yield call("max_pool3d_with_indices", r(1, 2, 5, 6, 7), [3, 2, 2], stride, pad, 1, up)
            yield call("max_pool2d", x[0], [3], stride, pad, [2, 1], up)
            steps = [3, 2] if not stride else stride * 2
            out = [_size(n, k, s, pad, up) for n, k, s in zip((9, 8), (3, 2), steps, strict=True)]
            for counts in (True, False):
                yield call("avg_pool1d", x[0], [3], stride, [pad], up, counts)
                yield call("avg_pool3d", r(2, 5, 6, 7), [3], stride, pad, up, counts)
                for divisor in (None, 5):
                    yield call("avg_pool2d", x, [3, 2], stride, pad, up, counts, divisor)
                    yield call("avg_pool2d_backward", r(2, 3, *out), x, [3, 2], stride, [pad, pad], up, counts, divisor)
    for out in ([1, 1], [2, 2], [3, 5], [9, 8], [4, 1]):
        for image in (x, x[0]):
            yield call("adaptive_avg_pool2d", image, out)
            yield call("_adaptive_avg_pool2d", image, out)
            yield fixed("adaptive_max_pool2d", image, out)
            yield fixed("_adaptive_avg_pool2d_backward", r(*image.shape[:-2], *out), image)
    yield call("adaptive_avg_pool1d", x[0], [3])
    yield fixed("adaptive_max_pool1d", x[0], [3])
    yield call("adaptive_avg_pool3d", r(2, 3, 5, 6, 7), [2, 3, 4])
    yield call("_adaptive_avg_pool3d", r(2, 3, 5, 6, 7), [2, 3, 4])
    yield fixed("adaptive_max_pool3d", r(2, 3, 5, 6, 7), [2, 3, 4])


CALLS = tuple(_calls())
