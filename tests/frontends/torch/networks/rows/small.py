"""Small networks of torch.nn alone: the share that the tests run where torch is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.frontends.torch.networks.network import Network, images, random


def _convolutions() -> Any:
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True))
            self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.BatchNorm2d(8), nn.Hardswish(inplace=True))
            self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 5))

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            x += self.deep(x)
            return self.head(x)

    return Block()


def _attention() -> Any:
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(20, 16)
            layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, words: Any) -> Any:
            return self.layers(self.words(words))

    return Encoder()


def _words(sizes: dict[str, int]) -> dict[str, Any]:
    import torch

    return {"words": torch.randint(0, 20, (sizes["N"], sizes["t"]))}


def _recurrent() -> Any:
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, 8, 2, bidirectional=True, batch_first=True)
            self.head = nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            made, (_, cell) = self.lstm(x)
            return {"scores": self.head(made[:, -1]), "cell": cell}

    return Recurrent()


def rows() -> Iterator[Network]:
    """The networks."""
    yield images("nn.convolutions", _convolutions, 16, reference=True)
    sizes = {"N": (2, 3), "t": (5, 7)}
    yield Network("nn.attention", _attention, _words, {"words": {0: "N", 1: "t"}}, sizes, script=None, reference=True)
    yield Network(
        "nn.recurrent",
        _recurrent,
        lambda given: {"x": random(given["N"], 5, 6)},
        {"x": {0: "N"}},  # torch.export 2.13 fixes the number of steps of nn.LSTM
        {"N": (2, 3)},
        reference=True,
    )
