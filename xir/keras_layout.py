"""How an archive of Keras 3 (`.keras`) is laid out: its members, and the groups of its weights.

keras/src/saving/saving_lib.py: a group of the weights holds the variables of one object in `vars`, by their numbers,
and what the object is made of in groups that are called after its attributes. The layers of a model stand under their
classes, counted in their order (`_save_container_state`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a configuration holds."""

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
"""Members of an archive."""

TWICE = "_layer_checkpoint_dependencies"
"""Where tf.keras 2.12 and 2.13 keep the layers of a model: the dictionary of Functional (engine/functional.py) has
each layer with weights two times, as one with weights and as one of all, and both count."""

LISTS = ("layers", TWICE)
"""Where the weights keep the layers of a model."""

VARIABLES = "vars"
"""The group of an object's own variables."""

_CLASSES: Mapping[str, str] = MappingProxyType({"GroupQueryAttention": "GroupedQueryAttention"})
"""Classes of layers that configurations call otherwise."""

_HUMPS = re.compile("(?<=[^_])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")


class Groups:
    """The groups of a model's layers, told one after another in the order of the configuration."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        """None were told."""
        self._counts: dict[str, int] = {}

    def of(self, kind: str) -> str:
        """The group of the next layer, which is of the class `kind`: `conv2d`, then `conv2d_1`."""
        word = _HUMPS.sub("_", _CLASSES.get(kind, kind)).lower()
        count = self._counts[word] = self._counts.get(word, -1) + 1
        return f"{word}_{count}" if count else word
