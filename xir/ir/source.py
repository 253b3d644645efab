"""Where a node came from: every node carries the foreign layers that it stands for, through every rewrite."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xir.errors import Location


@dataclass(frozen=True, slots=True)
class Source:
    """One layer of a foreign model.

    Attributes:
        framework: `caffe`, `onnx`, ...
        file: the file's name as it was given, without its folder.
        layer: the layer's own name.
        kind: the layer's own type (`Convolution`).
        path: enclosing modules or scopes, outermost first; empty for the model itself.
        location: the place in the file (`line 12`), where the format has one.
        order: the layer's position among the layers of its file.
        layout: the permutation from the source's axes to ours (NHWC sources), or None when they agree.
        module: the class of the module that `path` leads to (`torch.nn.modules.conv.Conv2d`), where the format tells.
    """

    framework: str
    file: str
    layer: str
    kind: str
    path: tuple[str, ...] = ()
    location: str | None = None
    order: int = 0
    layout: tuple[int, ...] | None = None
    module: str | None = None

    def __str__(self) -> str:
        """`lenet.caffemodel: layer 'conv1' (Convolution)`."""
        return str(self.where)

    @property
    def where(self) -> Location:
        """The source as an error's location."""
        return Location(self.file, self.layer, self.kind)


Sources = tuple[Source, ...]

MAX_SOURCES = 64
"""Sources that one node carries. A chain of 20,000 equal layers that collapses into one node would else carry all of
them through every step, which is quadratic; real fusions unite less than ten."""


def unite(groups: Iterable[Sources]) -> Sources:
    """All sources of several nodes, each once, in the order of their files and layers.

    Of more than `MAX_SOURCES` the first and the last ones are kept.
    """
    found = {source: None for group in groups for source in group}
    united = sorted(found, key=lambda s: (s.framework, s.file, s.order, s.layer, s.kind))
    if len(united) > MAX_SOURCES:
        united = [*united[: MAX_SOURCES // 2], *united[-(MAX_SOURCES // 2) :]]
    return tuple(united)
