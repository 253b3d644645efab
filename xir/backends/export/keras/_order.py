"""The order in which Keras counts the layers of a functional model (keras/src/ops/function.py, `map_graph`).

Weights stand under the classes of layers, counted in that order and not in that of the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xir.backends.export.keras._layers import Entry
from xir.keras_layout import Json


def in_order(entries: Sequence[Entry], inputs: Sequence[str], outputs: Sequence[str]) -> list[Entry]:
    """The layers and operations that the outputs depend on, and all inputs, as Keras orders them.

    Those far from the outputs come first; of those that are as far, the one that a walk from the outputs meets first.

    Args:
        entries: layers and operations, each behind those that it reads from.
        inputs: the names of the inputs.
        outputs: the names of the layers that make the outputs, in order.
    """
    read = {entry.name: _names_in([*(entry.arguments or ()), *entry.named.values()]) for entry in entries}
    met, done = _walk(read, outputs)
    far = dict.fromkeys((*inputs, *done), 0)
    for name in reversed(done):
        for before in read[name]:
            far[before] = max(far[before], far[name] + 1)
    for name in inputs:
        met.setdefault(name, -1)
    return sorted((entry for entry in entries if entry.name in far), key=lambda each: (-far[each.name], met[each.name]))


def _walk(read: Mapping[str, Sequence[str]], outputs: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """In which order a walk into the depth meets the layers, and in which it leaves them."""
    met: dict[str, int] = {}
    done: dict[str, None] = {}
    stack = [(name, False) for name in reversed(outputs)]
    while stack:
        name, left = stack.pop()
        if left:
            done[name] = None
        elif name not in met:
            met[name] = len(met)
            stack.append((name, True))
            stack.extend((before, False) for before in reversed(read[name]))
    return met, [*done]


def _names_in(arguments: Sequence[Json]) -> list[str]:
    """The layers whose results a call is given, in order."""
    found: list[str] = []
    stack: list[Json] = [*reversed(arguments)]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict) and item["class_name"] == "__keras_tensor__":
            config = item["config"]
            history = config["keras_history"] if isinstance(config, dict) else None
            found.append(str(history[0]) if isinstance(history, list) else "")
    return found
