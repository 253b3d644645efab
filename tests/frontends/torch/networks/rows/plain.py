"""Networks of torch.nn alone that are made as people make them: pictures, sound, words, numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tests.frontends.torch.networks.network import Network, images, random

VOCABULARY = 500
"""Words of each network."""


def _perceptron() -> Any:
    from torch import nn

    return nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def _lenet() -> Any:
    """Two convolutions, a pool and a classifier (LeCun et al. 1998, with the activations of today)."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 64, 10),
    )  # fmt: skip


def _unet() -> Any:
    """Two levels of a U-Net (Ronneberger et al. 2015)."""
    import torch
    from torch import nn

    class Unet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU())
            norm = nn.InstanceNorm2d(32, affine=True)
            self.inner = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), norm, nn.LeakyReLU(0.1))
            self.up = nn.ConvTranspose2d(32, 16, 2, 2)
            self.last = nn.Conv2d(32, 2, 1)

        def forward(self, input: Any) -> Any:
            wide = self.down(input)
            return self.last(torch.cat((wide, self.up(self.inner(wide))), 1))

    return Unet()


def _autoencoder() -> Any:
    """Strided convolutions and their transposes."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(3, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ELU(), nn.Conv2d(16, 32, 4, 2, 1), nn.GELU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1),
        nn.Sigmoid(),
    )  # fmt: skip


def _wavenet() -> Any:
    """Dilated convolutions along time with gates (van den Oord et al. 2016)."""
    from torch import nn

    class Wavenet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv1d(1, 32, 1)
            self.gated = nn.ModuleList(nn.Conv1d(32, 64, 3, padding=2**power, dilation=2**power) for power in range(4))
            self.last = nn.Conv1d(32, 8, 1)

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            for layer in self.gated:
                x = x + nn.functional.glu(layer(x), 1)
            return self.last(x)

    return Wavenet()


def _recurrent(kind: str) -> Any:
    """A recurrent network over words."""
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 64)
            self.body = getattr(nn, kind)(64, 64, 2, batch_first=True)
            self.last = nn.Linear(64, 10)

        def forward(self, words: Any) -> Any:
            return self.last(self.body(self.embedding(words))[0][:, -1])

    return Recurrent()


def _masked_encoder() -> Any:
    """An encoder that does not look at padding."""
    from torch import nn

    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 64, padding_idx=0)
            layer = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
            self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, words: Any) -> Any:
            return self.body(self.embedding(words), src_key_padding_mask=words == 0).mean(1)

    return Masked()


def _translator() -> Any:
    """An encoder and a decoder that looks at what comes before."""
    from torch import nn

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, 64)
            self.body = nn.Transformer(64, 4, 2, 2, 128, 0.0, batch_first=True)

        def forward(self, words: Any, said: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(said.shape[1])
            return self.body(self.embedding(words), self.embedding(said), tgt_mask=mask, tgt_is_causal=True)

    return Translator()


def _recommender() -> Any:
    """Sums of embeddings beside numbers, multiplied pair by pair (Naumov et al. 2019)."""
    import torch
    from torch import nn

    class Recommender(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bag = nn.EmbeddingBag(VOCABULARY, 32, mode="sum")
            self.dense = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
            self.top = nn.Sequential(nn.Linear(65, 64), nn.ReLU(), nn.Linear(64, 1))

        def forward(self, words: Any, numbers: Any) -> Any:
            left, right = self.bag(words), self.dense(numbers)
            return self.top(torch.cat((left, right, (left * right).sum(1, keepdim=True)), 1)).sigmoid()

    return Recommender()


def _words(sizes: Mapping[str, int], *names: str) -> dict[str, Any]:
    import torch

    return {name: torch.randint(1, VOCABULARY, (sizes["N"], sizes["t"])) for name in names}


def _padded(sizes: Mapping[str, int]) -> dict[str, Any]:
    """Words of which the second sentence ends with two places of padding."""
    words = _words(sizes, "words")
    words["words"][1:2, -2:] = 0
    return words


def _vectors(sizes: Mapping[str, int], name: str, *shape: int) -> dict[str, Any]:
    return {name: random(sizes["N"], *shape)}


def _mixed(sizes: Mapping[str, int]) -> dict[str, Any]:
    return _words(sizes, "words") | _vectors(sizes, "numbers", 13)


def rows() -> Iterator[Network]:
    """The networks; torch.export writes a step of a recurrent layer for each word, so that lengths are no symbols."""
    batch, count = {0: "N"}, {"N": (2, 3)}
    sentences = {0: "N", 1: "t"}
    yield Network("nn.perceptron", _perceptron, lambda sizes: _vectors(sizes, "input", 256), {"input": batch}, count)
    yield images("nn.lenet", _lenet, 32, moving=False, argument="input")
    yield images("nn.unet", _unet, argument="input")
    yield images("nn.autoencoder", _autoencoder, argument="input")
    yield Network("nn.wavenet", _wavenet, lambda sizes: _vectors(sizes, "x", 1, 400), {"x": batch}, count)
    for kind in ("RNN", "LSTM", "GRU"):
        build, name = partial(_recurrent, kind), f"nn.words_{kind.lower()}"
        yield Network(name, build, lambda sizes: _words(sizes, "words"), {"words": batch}, count | {"t": (24,)})
    length = count | {"t": (24, 13)}
    yield Network("nn.masked_encoder", _masked_encoder, _padded, {"words": sentences}, length)
    both = {"words": sentences, "said": sentences}
    yield Network("nn.translator", _translator, lambda sizes: _words(sizes, "words", "said"), both, length)
    mixed = {"words": sentences, "numbers": batch}
    yield Network("nn.recommender", _recommender, _mixed, mixed, count | {"t": (8, 5)})
