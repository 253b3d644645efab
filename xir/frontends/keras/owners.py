"""Which stored weights are those of which layer of a model."""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import InvalidModelError
from xir.frontends.keras.model import Network, Variable, Weights
from xir.keras_layout import LISTS, Groups

OPERATION = "ops."
"""How the kinds of operations (`keras.ops`) begin, which are no layers."""


def weights_of_layers(network: Network, weights: Weights) -> dict[str, Weights]:
    """{layer: its weights} of a model's weights.

    In archives of Keras 3 each layer has a group (`Groups`); elsewhere a model in a model has all its weights in one
    list, trainable ones first, whose names say the layer.

    Raises:
        InvalidModelError: a weight is of no layer.
    """
    if weights.parts is None:
        return _by_names(network, weights)
    lists = [weights.parts[name].parts for name in LISTS if name in weights.parts]
    held: Mapping[str, Weights] = (lists[0] if lists else None) or {}
    groups = Groups()
    found: dict[str, Weights] = {}
    for layer in network.layers:
        if layer.kind.startswith(OPERATION):
            continue
        found[layer.name] = held.get(groups.of(layer.kind), Weights((), {}))
    return found


def _by_names(network: Network, weights: Weights) -> dict[str, Weights]:
    found: dict[str, list[Variable]] = {layer.name: [] for layer in network.layers}
    for variable in weights.variables:
        steps = variable.name.split("/")[:-1] or [variable.name]
        owner = next((step for step in reversed(steps) if step in found), None)
        if owner is None:
            owner = next((name for step in reversed(steps) if (name := step.rpartition("_")[0]) in found), None)
        if owner is None:
            owner = max((name for name in found if variable.name.startswith(f"{name}_")), key=len, default=None)
        if owner is None:
            raise InvalidModelError(f"the weight {variable.name!r} is of no layer of {network.name!r}")
        found[owner].append(variable)
    return {name: Weights(tuple(held)) for name, held in found.items()}
