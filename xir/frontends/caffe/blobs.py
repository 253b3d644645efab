"""The blobs of a net while it is walked: who holds which value now, who read it, and what it will be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xir.frontends.caffe.net import Layer
from xir.ir.node import Value


@dataclass(slots=True)
class Blobs:
    """The blobs after the layers so far.

    Attributes:
        current: {blob name: its value now}.
        unread: blob names that nobody has read since they were made, in order (Caffe's available blobs).
        labels: names of blobs that come from labels alone.
        poisoned: blobs that a refused layer would have made.
        names: names that are fixed already: those of the inputs.
        makers: {value: the name of the layer that made it}.
        overwritten: values whose blob a later layer took, with the blob's name, in order.
    """

    current: dict[str, Value] = field(default_factory=dict[str, Value])
    unread: dict[str, None] = field(default_factory=dict[str, None])
    labels: set[str] = field(default_factory=set[str])
    poisoned: set[str] = field(default_factory=set[str])
    names: dict[Value, str] = field(default_factory=dict[Value, str])
    makers: dict[Value, str] = field(default_factory=dict[Value, str])
    overwritten: list[tuple[Value, str]] = field(default_factory=list[tuple[Value, str]])

    def make(self, name: str, value: Value, maker: str) -> None:
        """Puts a value under the blob's name; what stood there is remembered."""
        old = self.current.get(name)
        if old is not None and old is not value:
            self.overwritten.append((old, name))
        self.makers.setdefault(value, maker)
        self.poisoned.discard(name)
        self.current[name] = value
        self.unread.pop(name, None)
        self.unread[name] = None

    def hand_on(self, layer: Layer, made: Sequence[Value]) -> None:
        """Enters what a layer made: its bottoms are read, its tops are new."""
        from_labels = bool(layer.bottoms) and all(bottom in self.labels for bottom in layer.bottoms)
        for bottom in layer.bottoms:
            self.unread.pop(bottom, None)
        for top, value in zip(layer.tops, made, strict=False):
            self.make(top, value, layer.name)
            if from_labels:
                self.labels.add(top)
            else:
                self.labels.discard(top)

    def computed(self) -> dict[str, Value]:
        """{blob name: value} of all blobs that a layer made."""
        return {name: value for name, value in self.current.items() if value.node is not None}

    def outputs(self) -> dict[str, Value]:
        """What nobody read: the net's outputs, without inputs that pass through and what labels alone make."""
        return {
            name: self.current[name]
            for name in self.unread
            if name not in self.labels and self.current[name].node is not None
        }


def finished_names(blobs: Blobs, weights: Mapping[Value, str]) -> dict[Value, str]:
    """A name for every value that has one, each once.

    A blob's last value has the blob's name. An earlier value, which an in-place layer overwrote, is named after the
    layer that made it, or, where that name is taken, `<layer>_before` (with a number where that is taken too).
    """
    names = {**weights, **blobs.names}
    taken = set(names.values())
    for name, value in blobs.current.items():
        if value not in names and name not in taken:
            names[value] = name
            taken.add(name)
    for value, blob in blobs.overwritten:
        if value in names:
            continue
        maker = blobs.makers.get(value, "") or blob
        name, number = maker, 0
        while name in taken:
            number += 1
            name = f"{maker}_before" if number == 1 else f"{maker}_before_{number}"
        names[value] = name
        taken.add(name)
    for value in blobs.current.values():
        if value not in names and value.node is not None:
            preferred = blobs.makers.get(value, "")
            if preferred and preferred not in taken:
                names[value] = preferred
                taken.add(preferred)
    return names
