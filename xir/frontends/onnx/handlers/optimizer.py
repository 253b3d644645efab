"""Optimizers of ai.onnx.preview.training: any number of tensors, each with a step of its own."""

from __future__ import annotations

from collections.abc import Mapping

from xir.frontends._handlers import Handlers
from xir.frontends.onnx._site import Site
from xir.frontends.onnx._versions import Handler, versions
from xir.ir.node import Value
from xir.ops import optimizer

handlers: Handlers[Handler] = Handlers("onnx")

_DOMAIN = "ai.onnx.preview.training"


def _groups(site: Site, values: tuple[Value, ...], kinds: int) -> list[tuple[Value, ...]]:
    """The tensors, their gradients and their states, one group for each tensor."""
    count, rest = divmod(len(values), kinds)
    if rest or not count:
        site.invalid(f"{len(values)} tensors are not {kinds} for each that is trained")
    return [values[index::count] for index in range(count)]


def _flat(results: list[tuple[Value, ...]]) -> tuple[Value, ...]:
    """All results of the first kind, then all of the second, and so on."""
    return tuple(value for kind in zip(*results, strict=True) for value in kind)


@handlers.layer(*versions("Adagrad", 1, domain=_DOMAIN))
def adagrad(site: Site, rate: Value, count: Value, *values: Value) -> tuple[Value, ...]:
    """Adagrad."""
    decay, epsilon = site.real("decay_factor", 0.0), site.real("epsilon", 1e-6)
    norm = site.real("norm_coefficient", 0.0)
    return _flat(
        [
            optimizer.adagrad_step(rate, count, x, g, h, decay=decay, epsilon=epsilon, regularization=norm)
            for x, g, h in _groups(site, values, 3)
        ]
    )


@handlers.layer(*versions("Adam", 1, domain=_DOMAIN))
def adam(site: Site, rate: Value, count: Value, *values: Value) -> tuple[Value, ...]:
    """Adam."""
    alpha, beta, epsilon = site.real("alpha", 0.9), site.real("beta", 0.999), site.real("epsilon", 1e-6)
    before, after = site.real("norm_coefficient", 0.0), site.real("norm_coefficient_post", 0.0)
    return _flat(
        [
            optimizer.adam_step(
                rate,
                count,
                x,
                g,
                v,
                h,
                alpha=alpha,
                beta=beta,
                epsilon=epsilon,
                regularization=before,
                decay=after,
            )
            for x, g, v, h in _groups(site, values, 4)
        ]
    )


_MODES: Mapping[str, optimizer.Momentum] = {"standard": "standard", "nesterov": "nesterov"}


@handlers.layer(*versions("Momentum", 1, domain=_DOMAIN))
def momentum(site: Site, rate: Value, count: Value, *values: Value) -> tuple[Value, ...]:
    """Momentum, standard or Nesterov's."""
    mode = site.text("mode")
    if mode not in _MODES:
        site.invalid(f"attribute 'mode' is {mode!r}, expected one of {', '.join(_MODES)}")
    alpha, beta, norm = site.real("alpha"), site.real("beta"), site.real("norm_coefficient")
    return _flat(
        [
            optimizer.momentum_step(
                rate, count, x, g, v, alpha=alpha, beta=beta, regularization=norm, mode=_MODES[mode]
            )
            for x, g, v in _groups(site, values, 3)
        ]
    )
