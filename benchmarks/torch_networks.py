"""Networks of torch.nn, torchvision and transformers with random weights, for the figures of `torch.compile`.

Sizes are those at which one network runs within a second; weights are what the libraries start with.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 500
"""Words of the language models."""


@dataclass(frozen=True, slots=True)
class Network:
    """A module with inputs for it.

    Attributes:
        module: what is run.
        made: {name: tensor} for a number of samples.
    """

    module: nn.Module
    made: Callable[[int], Mapping[str, object]]

    def __call__(self, module: nn.Module, fed: Mapping[str, object]) -> Sequence[Tensor]:
        """The tensors that `module`, this one or what is compiled of it, returns."""
        return leaves(module(**fed))


def leaves(tree: object) -> list[Tensor]:
    """The tensors of what a module returns, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    held = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list | tuple) else ()
    return [tensor for each in held for tensor in leaves(each)]


class _Convolutions(nn.Module):
    """Two convolutions, a pool and a classifier (LeCun et al. 1998, with the activations of today)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 64, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class _Unet(nn.Module):
    """Two levels of a U-Net (Ronneberger et al. 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU())
        self.inner = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.InstanceNorm2d(32, affine=True), nn.LeakyReLU(0.1))
        self.up = nn.ConvTranspose2d(32, 16, 2, 2)
        self.last = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.down(x)
        return self.last(torch.cat((wide, self.up(self.inner(wide))), 1))


class _Autoencoder(nn.Module):
    """Strided convolutions and their transposes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ELU(), nn.Conv2d(16, 32, 4, 2, 1), nn.GELU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1),
            nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class _Sound(nn.Module):
    """Dilated convolutions along time with gates (van den Oord et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 32, 1)
        self.gated = nn.ModuleList(nn.Conv1d(32, 64, 3, padding=2**power, dilation=2**power) for power in range(4))
        self.last = nn.Conv1d(32, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for layer in self.gated:
            x = x + functional.glu(layer(x), 1)
        return self.last(x)


class _Recurrent(nn.Module):
    """A recurrent network over words."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.body = kind(64, 64, 2, batch_first=True)
        self.last = nn.Linear(64, 10)

    def forward(self, words: Tensor) -> Tensor:
        return self.last(self.body(self.embedding(words))[0][:, -1])


class _Masked(nn.Module):
    """An encoder that does not look at padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64, padding_idx=0)
        layer = nn.TransformerEncoderLayer(64, 4, 128, 0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, words: Tensor) -> Tensor:
        return self.body(self.embedding(words), src_key_padding_mask=words == 0).mean(1)


class _Translator(nn.Module):
    """An encoder and a decoder that looks at what comes before."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.body = nn.Transformer(64, 4, 2, 2, 128, 0.0, batch_first=True)

    def forward(self, words: Tensor, said: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(said.shape[1])
        return self.body(self.embedding(words), self.embedding(said), tgt_mask=mask, tgt_is_causal=True)


class _Bag(nn.Module):
    """Sums of embeddings beside numbers, multiplied pair by pair (Naumov et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(VOCABULARY, 32, mode="sum")
        self.dense = nn.Sequential(nn.Linear(13, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(65, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, words: Tensor, numbers: Tensor) -> Tensor:
        left, right = self.bag(words), self.dense(numbers)
        return self.top(torch.cat((left, right, (left * right).sum(1, keepdim=True)), 1)).sigmoid()


def _perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def image(side: int = 64, name: str = "x") -> Callable[[int], Mapping[str, object]]:
    """Makes images."""
    return lambda count: {name: torch.randn(count, 3, side, side)}


def words(*names: str, length: int = 24) -> Callable[[int], Mapping[str, object]]:
    """Makes sentences."""
    return lambda count: {name: torch.randint(1, VOCABULARY, (count, length)) for name in names}


_MODULES: Mapping[str, tuple[Callable[[], nn.Module], Callable[[int], Mapping[str, object]]]] = {
    "perceptron": (_perceptron, lambda count: {"input": torch.randn(count, 256)}),
    "convolutions": (_Convolutions, image(32)),
    "u-net": (_Unet, image()),
    "autoencoder": (_Autoencoder, image()),
    "dilated sound": (_Sound, lambda count: {"x": torch.randn(count, 1, 400)}),
    "RNN": (lambda: _Recurrent(nn.RNN), words("words")),
    "LSTM": (lambda: _Recurrent(nn.LSTM), words("words")),
    "GRU": (lambda: _Recurrent(nn.GRU), words("words")),
    "masked encoder": (_Masked, words("words")),
    "translator": (_Translator, words("words", "said")),
    "recommender": (_Bag, lambda count: {**words("words", length=8)(count), "numbers": torch.randn(count, 13)}),
}
"""Networks of torch.nn."""

_VISION: Mapping[str, tuple[str, int]] = {
    "alexnet": ("alexnet", 128),
    "vgg11": ("vgg11", 64),
    "resnet18": ("resnet18", 64),
    "resnet50": ("resnet50", 64),
    "wide_resnet50_2": ("wide_resnet50_2", 64),
    "resnext50_32x4d": ("resnext50_32x4d", 64),
    "densenet121": ("densenet121", 64),
    "googlenet": ("googlenet", 64),
    "inception_v3": ("inception_v3", 128),
    "squeezenet1_1": ("squeezenet1_1", 64),
    "mobilenet_v2": ("mobilenet_v2", 64),
    "mobilenet_v3_small": ("mobilenet_v3_small", 64),
    "mnasnet1_0": ("mnasnet1_0", 64),
    "shufflenet_v2_x1_0": ("shufflenet_v2_x1_0", 64),
    "efficientnet_b0": ("efficientnet_b0", 64),
    "regnet_y_400mf": ("regnet_y_400mf", 64),
    "convnext_tiny": ("convnext_tiny", 64),
    "swin_t": ("swin_t", 64),
    "vit_b_16": ("vit_b_16", 64),
    "deeplabv3_mobilenet_v3_large": ("segmentation.deeplabv3_mobilenet_v3_large", 64),
    "lraspp_mobilenet_v3_large": ("segmentation.lraspp_mobilenet_v3_large", 64),
    "fcn_resnet50": ("segmentation.fcn_resnet50", 64),
}
"""{name: (function of torchvision.models, side of the image)}."""

_SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
_WORDS = {"vocab_size": VOCABULARY, **_SMALL}

_LANGUAGE: Mapping[str, tuple[str, str, Mapping[str, object], Callable[[int], Mapping[str, object]]]] = {
    "BERT": ("BertConfig", "BertModel", _WORDS, words("input_ids")),
    "RoBERTa": ("RobertaConfig", "RobertaModel", _WORDS, words("input_ids")),
    "ELECTRA": ("ElectraConfig", "ElectraModel", _WORDS, words("input_ids")),
    "DistilBERT": (
        "DistilBertConfig", "DistilBertModel",
        {"vocab_size": VOCABULARY, "dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128}, words("input_ids"),
    ),
    "GPT-2": (
        "GPT2Config", "GPT2LMHeadModel",
        {"vocab_size": VOCABULARY, "n_embd": 64, "n_layer": 2, "n_head": 4, "use_cache": False}, words("input_ids"),
    ),
    "Llama": ("LlamaConfig", "LlamaForCausalLM", {**_WORDS, "use_cache": False}, words("input_ids")),
    "Mistral": (
        "MistralConfig", "MistralForCausalLM",
        {**_WORDS, "num_key_value_heads": 2, "sliding_window": 16, "use_cache": False}, words("input_ids"),
    ),
    "Qwen2": (
        "Qwen2Config", "Qwen2ForCausalLM", {**_WORDS, "num_key_value_heads": 2, "use_cache": False},
        words("input_ids"),
    ),
    "T5": (
        "T5Config", "T5Model",
        {"vocab_size": VOCABULARY, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4,
         "use_cache": False},
        words("input_ids", "decoder_input_ids"),
    ),
    "ViT": ("ViTConfig", "ViTModel", {**_SMALL, "image_size": 64, "patch_size": 16}, image(name="pixel_values")),
    "CLIP vision": (
        "CLIPVisionConfig", "CLIPVisionModel", {**_SMALL, "image_size": 64, "patch_size": 16},
        image(name="pixel_values"),
    ),
    "Mamba": (
        "MambaConfig", "MambaModel",
        {"vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 2, "state_size": 8, "use_cache": False},
        words("input_ids"),
    ),
}  # fmt: skip
"""{name: (configuration, model, what it is told, its inputs)} of transformers; never more than it takes."""


def _used_to(module: nn.Module, made: Callable[[int], Mapping[str, object]]) -> nn.Module:
    """The module with the statistics of some inputs in its normalizations, as if it had been trained.

    Without them activations of deep networks fade to numbers that are no normal floats any more, with which some
    libraries take twenty times as long, and results say nothing of what was computed.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    module.eval()
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.no_grad():
        module(*made(8).values())
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return module.eval()


def names() -> tuple[str, ...]:
    """All networks, whether their libraries are installed or not."""
    return (*_MODULES, *_VISION, *_LANGUAGE)


def network(name: str) -> Network:
    """A network with the same weights every time.

    Raises:
        ImportError: its library is not installed.
    """
    torch.manual_seed(0)
    if name in _MODULES:
        make, made = _MODULES[name]
        return Network(make(), made)
    if name in _VISION:
        path, side = _VISION[name]
        models = importlib.import_module("torchvision.models")
        for part in path.split("."):
            models = getattr(models, part)
        more = {"weights_backbone": None} if "segmentation" in path else {}
        more |= {"init_weights": True} if path in ("googlenet", "inception_v3") else {}
        more |= {"image_size": side} if path.startswith("vit") else {}
        return Network(_used_to(models(weights=None, **more), image(side)), image(side))
    config, model, told, made = _LANGUAGE[name]
    library = importlib.import_module("transformers")
    return Network(getattr(library, model)(getattr(library, config)(**told)), made)
