"""Losses over classes."""

from __future__ import annotations

from collections.abc import Mapping

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import likelihood

handlers: Handlers[Handler] = Handlers("onnx")

_REDUCTIONS: Mapping[str, likelihood.Reduction] = {"none": "none", "sum": "sum", "mean": "mean"}


def _words(site: Site) -> tuple[likelihood.Reduction, int | None]:
    reduction = _REDUCTIONS[site.choice("reduction", tuple(_REDUCTIONS), "mean")]
    return reduction, site.integer("ignore_index") if site.has("ignore_index") else None


@handlers.layer(*versions("NegativeLogLikelihoodLoss", 12, 13, 22))
def negative_log_likelihood(site: Site, x: Value, target: Value, weight: Value | None = None) -> Value:
    """NegativeLogLikelihoodLoss."""
    reduction, ignored = _words(site)
    return likelihood.negative_log_likelihood(x, target, weight, reduction=reduction, ignore_index=ignored)


@handlers.layer(*versions("SoftmaxCrossEntropyLoss", 12, 13))
def cross_entropy(site: Site, x: Value, target: Value, weight: Value | None = None) -> tuple[Value, ...]:
    """SoftmaxCrossEntropyLoss."""
    reduction, ignored = _words(site)
    return likelihood.cross_entropy(x, target, weight, reduction=reduction, ignore_index=ignored)
