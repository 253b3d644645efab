"""Examples of prior boxes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.ops.cases import Case, case, normal
from xir.ir.types import DType
from xir.ops.prior import prior_box


def cases() -> Iterator[Case]:
    common = {"min_sizes": (10.0, 16.0), "aspect_ratios": (2.0, 0.5), "step_h": 0.0, "step_w": 0.0, "offset": 0.5}
    feature, image = normal(1, 2, 5, 4), normal(1, 3, 50, 40)
    yield case(prior_box, feature, image, max_sizes=(14.0, 22.0), clip=False, variances=(0.1, 0.1, 0.2, 0.2), **common)
    fixed = common | {"step_h": 8.0, "step_w": 9.0, "image_height": 64, "image_width": 60}
    yield case(prior_box, feature, image, max_sizes=(), clip=True, variances=(0.1,), **fixed).noted("fixed sizes")
    half = normal(1, 2, 2, 2, dtype=DType.FLOAT16)
    yield case(prior_box, half, image, max_sizes=(), clip=True, variances=(0.1,), **common)
