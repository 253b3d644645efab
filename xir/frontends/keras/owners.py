"""Which stored weights are those of which layer of a model."""

from __future__ import annotations

from collections.abc import Mapping

from xir.errors import InvalidModelError
from xir.frontends.keras.model import Network, Variable, Weights
from xir.keras_layout import LISTS, TWICE, Groups

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
    root = next((name for name in LISTS if name in weights.parts), None)
    held: Mapping[str, Weights] = (weights.parts[root].parts if root else None) or {}
    groups = Groups()
    found: dict[str, Weights] = {}
    for layer in network.layers:
        if layer.kind.startswith(OPERATION):
            continue
        own = found[layer.name] = held.get(groups.of(layer.kind), Weights((), {}))
        if root == TWICE and _has_variables(own):
            groups.of(layer.kind)
    return found


def _has_variables(weights: Weights) -> bool:
    """Whether an object, or anything that it is made of, has variables."""
    waiting = [weights]
    while waiting:
        each = waiting.pop()
        if each.variables:
            return True
        waiting += (each.parts or {}).values()
    return False


def _by_names(network: Network, weights: Weights) -> dict[str, Weights]:
    """Weights by the layers that their names tell, `dense/kernel:0`, those of layers of inner models too."""
    owners = _owners(network)
    found: dict[str, list[Variable]] = {layer.name: [] for layer in network.layers}
    for variable in weights.variables:
        found[_owner(variable.name, owners, network)].append(variable)
    return {name: Weights(tuple(held)) for name, held in found.items()}


def _owners(network: Network) -> dict[str, frozenset[str]]:
    """{layer, of inner models too: the outermost layers that it stands in}."""
    found: dict[str, frozenset[str]] = {}
    for outer in network.layers:
        inner = () if outer.network is None else outer.network.all_layers()
        for name in {outer.name, *(layer.name for layer in inner)}:
            found[name] = found.get(name, frozenset()) | {outer.name}
    return found


def _owner(name: str, owners: Mapping[str, frozenset[str]], network: Network) -> str:
    """The outermost layer that a weight is of."""
    steps = name.split("/")[:-1] or [name]
    known = [owners[step] for step in steps if step in owners]
    if not known:
        known = [owners[word] for step in steps if (word := step.rpartition("_")[0]) in owners]
    if not known:
        longest = max((each for each in owners if name.startswith(f"{each}_")), key=len, default=None)
        known = [] if longest is None else [owners[longest]]
    if not known:
        raise InvalidModelError(f"the weight {name!r} is of no layer of {network.name!r}")
    chosen = known[0]
    for each in known[1:]:
        chosen = chosen & each or chosen
    if len(chosen) > 1:
        raise InvalidModelError(f"the weight {name!r} may be of the layers {sorted(chosen)} of {network.name!r}")
    return next(iter(chosen))
