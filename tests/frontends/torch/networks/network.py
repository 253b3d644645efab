"""A network of the matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Network:
    """A network, how it is called, and which of its sizes may change.

    Attributes:
        name: `library.network`, once among all.
        build: makes the `torch.nn.Module`; the harness seeds torch before, and makes what is zero or one random.
        inputs: what `forward` is called with, by its arguments' names in their order, for sizes by symbol: tensors, and
            lists, tuples and dictionaries of them.
        axes: {argument: {axis: symbol}}; in place of {axis: symbol} a list, tuple or dictionary of them, as the
            argument is built.
        sizes: {symbol: (its size in the example, further sizes...)}; all further ones are run together, place by place.
        script: how TorchScript is made of it; None where it cannot be.
        tolerance: the largest error, relative to the largest element of the result.
        reference: whether it is small enough for the reference, too.
        seconds: how long one way may take.
        finish: what is done to the module once its weights are random.
    """

    name: str
    build: Callable[[], Any]
    inputs: Callable[[Mapping[str, int]], Mapping[str, Any]]
    axes: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    script: Literal["trace", "script"] | None = "trace"
    tolerance: float = 1e-4
    reference: bool = False
    seconds: int = 900
    finish: Callable[[Any], object] | None = None

    def example(self) -> dict[str, int]:
        """The sizes of the example."""
        return {symbol: sizes[0] for symbol, sizes in self.sizes.items()}

    def others(self) -> list[dict[str, int]]:
        """Further sizes."""
        count = max((len(sizes) for sizes in self.sizes.values()), default=1)
        return [
            {symbol: sizes[min(number, len(sizes) - 1)] for symbol, sizes in self.sizes.items()}
            for number in range(1, count)
        ]


def images(name: str, build: Callable[[], Any], size: int = 64, *, moving: bool = True, **settings: Any) -> Network:
    """A network of pictures [N, 3, h, w] called `x`; `moving`: whether height and width may change, too."""
    argument = settings.pop("argument", "x")
    axes = {0: "N", 2: "h", 3: "w"} if moving else {0: "N"}
    sizes = {"N": (2, 3)} | ({"h": (size, size + 32), "w": (size, size * 2)} if moving else {})

    def inputs(given: Mapping[str, int]) -> dict[str, Any]:
        return {argument: random(given["N"], 3, given.get("h", size), given.get("w", size))}

    return Network(name, build, inputs, {argument: axes}, sizes, **settings)


def random(*shape: int) -> Any:
    """A tensor of normal numbers."""
    import torch

    return torch.randn(*shape)
