"""The networks of the figures as torch modules with random weights, and as the ONNX files that torch writes of them.

Their weights do not matter for time, so none are published ones: normalisation by batches is what it is at the start,
and no value overflows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Array = NDArray[np.generic]
WIDTH, HEADS, LAYERS, VOCABULARY, POSITIONS = 768, 12, 12, 50257, 1024
"""BERT-base (Devlin et al. 2018, section 3) and GPT-2 small (Radford et al. 2019, table 2) are of one size."""


@dataclass(frozen=True, slots=True)
class Network:
    """A module with inputs for it.

    Attributes:
        module: in inference mode.
        inputs: {input name: array}, in order.
    """

    module: nn.Module
    inputs: Mapping[str, Array]

    def write(self, path: Path) -> None:
        """Writes the ONNX file (opset 17)."""
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                self.module,
                tuple(self.tensors()),
                str(path),
                dynamo=False,
                opset_version=17,
                input_names=list(self.inputs),
            )

    def tensors(self) -> list[Tensor]:
        """The inputs, as the module takes them; they share the arrays' memory."""
        return [torch.from_numpy(array) for array in self.inputs.values()]


def network(name: str) -> Network:
    """One of `NETWORKS`; the same weights and inputs every time."""
    torch.manual_seed(0)
    module, inputs = NETWORKS[name](np.random.default_rng(0))
    return Network(module.eval(), inputs)


Made = tuple[nn.Module, Mapping[str, Array]]


def _image(module: nn.Module) -> Callable[[np.random.Generator], Made]:
    return lambda rng: (module, {"image": rng.standard_normal((1, 3, 224, 224), np.float32)})


def _unit(given: int, made: int, window: int, *, stride: int = 1, groups: int = 1, last: nn.Module | None) -> nn.Module:
    """A convolution, normalised by batches, with an activation or without."""
    conv = nn.Conv2d(given, made, window, stride, window // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(made), *([] if last is None else [last]))


class _Residual(nn.Module):
    """`last(branch(x) + shortcut(x))`."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.branch, self.shortcut, self.last = branch, shortcut, last

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.last(self.branch(x) + self.shortcut(x)))


def _resnet50() -> nn.Module:
    """ResNet-50 with the stride in the 3x3 convolutions (He et al. 2015, table 1)."""
    layers: list[nn.Module] = [_unit(3, 64, 7, stride=2, last=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    given = 64
    for width, count, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for place in range(count):
            stride = first_stride if place == 0 else 1
            branch = nn.Sequential(
                _unit(given, width, 1, last=nn.ReLU()),
                _unit(width, width, 3, stride=stride, last=nn.ReLU()),
                _unit(width, 4 * width, 1, last=None),
            )
            shortcut = nn.Identity() if place else _unit(given, 4 * width, 1, stride=stride, last=None)
            layers.append(_Residual(branch, shortcut, nn.ReLU()))
            given = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, 1000))


def _mobilenet_v2() -> nn.Module:
    """MobileNetV2 of width 1 (Sandler et al. 2018, table 2)."""
    layers: list[nn.Module] = [_unit(3, 32, 3, stride=2, last=nn.ReLU6())]
    given = 32
    for wider, width, count, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for place in range(count):
            stride, inner = (first_stride if place == 0 else 1), given * wider
            widened = [] if wider == 1 else [_unit(given, inner, 1, last=nn.ReLU6())]
            depthwise = _unit(inner, inner, 3, stride=stride, groups=inner, last=nn.ReLU6())
            branch = nn.Sequential(*widened, depthwise, _unit(inner, width, 1, last=None))
            same = stride == 1 and given == width
            layers.append(_Residual(branch, nn.Identity(), nn.Identity()) if same else branch)
            given = width
    top = _unit(given, 1280, 1, last=nn.ReLU6())
    return nn.Sequential(*layers, top, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


class _Fire(nn.Module):
    """Few channels, then 1x1 and 3x3 convolutions side by side (Iandola et al. 2016, section 3.2)."""

    def __init__(self, given: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(given, squeezed, 1)
        self.one = nn.Conv2d(squeezed, expanded, 1)
        self.three = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.one(x)), functional.relu(self.three(x))], 1)


def _squeezenet() -> nn.Module:
    """SqueezeNet 1.1, as its authors published it after the paper."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    first = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), _Fire(64, 16, 64), _Fire(128, 16, 64), pool()]
    second = [_Fire(128, 32, 128), _Fire(256, 32, 128), pool(), _Fire(256, 48, 192), _Fire(384, 48, 192)]
    third = [_Fire(384, 64, 256), _Fire(512, 64, 256), nn.Conv2d(512, 1000, 1), nn.ReLU()]
    return nn.Sequential(*first, *second, *third, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _vgg16() -> nn.Module:
    """VGG-16 (Simonyan and Zisserman 2014, table 1, column D)."""
    layers: list[nn.Module] = []
    given = 3
    for widths in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
        for width in widths:
            layers += [nn.Conv2d(given, width, 3, padding=1), nn.ReLU()]
            given = width
        layers.append(nn.MaxPool2d(2))
    top = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *top)


class _Block(nn.Module):
    """A transformer's layer, normalised after each half (BERT) or before it (GPT-2)."""

    def __init__(self, *, before: bool) -> None:
        super().__init__()
        self.before = before
        self.projected, self.joined = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def attention(self, x: Tensor, past: Sequence[Tensor], causal: bool) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, _ = x.shape
        parts = self.projected(x).split(WIDTH, -1)
        query, key, value = (p.reshape(batch, length, HEADS, WIDTH // HEADS).transpose(1, 2) for p in parts)
        if past:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        return self.joined(mixed.transpose(1, 2).reshape(batch, length, WIDTH)), key, value

    def forward(self, x: Tensor, past: Sequence[Tensor] = (), causal: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        mixed, key, value = self.attention(self.first(x) if self.before else x, past, causal)
        if self.before:
            x = x + mixed
            return x + self.narrow(functional.gelu(self.wide(self.second(x)), approximate="tanh")), key, value
        x = self.first(x + mixed)
        return self.second(x + self.narrow(functional.gelu(self.wide(x)))), key, value


class _Bert(nn.Module):
    """BERT-base's encoder, from embedded tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(before=False) for _ in range(LAYERS))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)[0]
        return x


class _Gpt2(nn.Module):
    """GPT-2: the last token's logits, with the keys and values of every layer; a prompt, or one token after others."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.blocks = nn.ModuleList(_Block(before=True) for _ in range(LAYERS))
        self.last = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.head.weight = self.tokens.weight

    def forward(
        self, tokens: Tensor, positions: Tensor, past_keys: Tensor | None = None, past_values: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = self.tokens(tokens) + self.positions(positions)
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for place, block in enumerate(self.blocks):
            past = () if past_keys is None or past_values is None else (past_keys[place], past_values[place])
            x, key, value = block(x, past, past_keys is None)
            keys.append(key)
            values.append(value)
        return self.head(self.last(x[:, -1:])), torch.stack(keys), torch.stack(values)


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.LSTM(512, 512, 2)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers(x)[0])


def _bert(rng: np.random.Generator) -> Made:
    return _Bert(), {"embedded": rng.standard_normal((1, 128, WIDTH), np.float32)}


def _prompt(rng: np.random.Generator) -> Made:
    return _Gpt2(), {"tokens": rng.integers(0, VOCABULARY, (1, 128)), "positions": np.arange(128)[None]}


def _step(rng: np.random.Generator) -> Made:
    past = {
        name: rng.standard_normal((LAYERS, 1, HEADS, 128, WIDTH // HEADS), np.float32)
        for name in ("past_keys", "past_values")
    }
    return _Gpt2(), {"tokens": rng.integers(0, VOCABULARY, (1, 1)), "positions": np.array([[128]]), **past}


def _lstm(rng: np.random.Generator) -> Made:
    return _Lstm(), {"steps": rng.standard_normal((100, 1, 512), np.float32)}


NETWORKS: Mapping[str, Callable[[np.random.Generator], Made]] = {
    "ResNet-50": lambda rng: _image(_resnet50())(rng),
    "MobileNetV2": lambda rng: _image(_mobilenet_v2())(rng),
    "SqueezeNet 1.1": lambda rng: _image(_squeezenet())(rng),
    "VGG-16": lambda rng: _image(_vgg16())(rng),
    "BERT-base, 128 tokens": _bert,
    "GPT-2, 128 tokens": _prompt,
    "GPT-2, one step after 128": _step,
    "LSTM 2x512, 100 steps": _lstm,
}
"""{name: makes the module and its inputs}; images are [1, 3, 224, 224]."""
