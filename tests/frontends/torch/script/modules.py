"""Modules whose archives are recorded; what they are made of is what people's modules are made of."""

from __future__ import annotations

from enum import Enum
from typing import Dict, List, NamedTuple, Optional, Tuple  # noqa: UP035 - what torch.jit.script reads

import torch
from torch import Tensor, nn
from torch.ao import quantization as ao
from torch.ao.nn import quantized as quantized_layers
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.nn.quantized import dynamic as dynamic_layers


class ConvNet(nn.Module):
    """Convolution, batch norm, pooling, a linear layer of sizes that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.max_pool2d(self.body(x), 2)
        y = y.view(y.size(0), y.size(1) * y.size(2) * y.size(3))
        return torch.log_softmax(self.head(y), 1)


class Attention(nn.Module):
    """Heads by sizes that tracing makes tensors of."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = 2
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, self.heads, 3 * width // self.heads).transpose(1, 2).chunk(3, -1)
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
        return (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)


class Control(nn.Module):
    """Branches and loops that the elements decide, exceptions, early returns, state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(4))
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.calls = 0

    def scaled(self, x: Tensor, limit: float) -> Tensor:
        steps = 0
        while bool(x.abs().max() > limit):
            x = x / 2
            steps += 1
            if steps > 20:
                break
        return x + steps

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:  # noqa: UP006, UP045
        if x.dim() != 2:
            raise ValueError(f"two axes are needed, got {x.dim()}")
        for layer in self.layers:
            x = torch.relu(layer(x))
        if mask is not None:
            x = x.masked_fill(mask, 0.0)
        self.total += x.mean(0)
        self.calls += 1
        if bool(x.sum() > 1.5):
            y = self.scaled(x, 0.25)
        elif bool(x.sum() > 0.5):
            y = -x
        else:
            y = x.clone()
            y[0] = 7.0
        return y, self.total * self.calls


class Recurrent(nn.Module):
    """Steps along an axis, written down by hand and by torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(3, 4)
        self.lstm = nn.LSTM(4, 3, bidirectional=True)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        h = torch.zeros(x.size(1), 4)
        outs: List[Tensor] = []  # noqa: UP006
        for i in range(x.size(0)):
            h = self.cell(x[i], h)
            outs.append(h)
        y, (last, _) = self.lstm(torch.stack(outs))
        return y, last


class Kind(Enum):
    """An enumeration."""

    SUM = "sum"
    MEAN = "mean"


class Pair(NamedTuple):
    """A named tuple."""

    first: Tensor
    second: Tensor


class Containers(nn.Module):
    """Dictionaries, named tuples, enumerations, text, comprehensions."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = Kind.MEAN

    def reduced(self, x: Tensor, kind: Kind) -> Tensor:
        return x.sum() if kind == Kind.SUM else x.mean()

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:  # noqa: UP006
        table: Dict[str, Tensor] = {"x": x, "-x": -x}  # noqa: UP006
        rows = [row * i for i, row in enumerate(x.unbind(0))]
        pair = Pair(torch.stack(rows), table["-x"])
        total = self.reduced(x, self.kind) + self.reduced(x, Kind.SUM)
        for name, value in table.items():
            if name.startswith("-"):
                total = total + value.max()
        return pair.first + pair.second, total


class Quantizing(nn.Module):
    """Layers that become quantised: convolutions with and without ReLU, sums, joined channels, pools, linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = ao.QuantStub(), ao.DeQuantStub()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.ReLU())
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.functional = FloatFunctional()
        self.head = nn.Sequential(nn.Linear(8, 5), nn.ReLU())
        self.last = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(self.quant(x))
        z = self.depthwise(y)
        y = self.functional.cat([self.functional.add(y, z), z], 1)[:, :8]
        y = nn.functional.max_pool2d(y, 2).mean((2, 3))
        return self.dequant(self.last(self.head(y)))


def quantized(x: Tensor) -> nn.Module:
    """Such a module, quantised for x86 by what it makes of an input."""
    module = Quantizing().eval()
    torch.backends.quantized.engine = "fbgemm"
    module = ao.fuse_modules(module, [["first.0", "first.1"], ["head.0", "head.1"]])
    module.qconfig = ao.get_default_qconfig("fbgemm")
    prepared = ao.prepare(module)
    prepared(x)
    return ao.convert(prepared)


def dynamic() -> nn.Module:
    """Linear layers whose inputs are quantised by their own range."""
    torch.backends.quantized.engine = "fbgemm"
    layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    return ao.quantize_dynamic(layers, {nn.Linear}, dtype=torch.qint8)


class Recurrents(nn.Module):
    """Recurrent layers and cells in float."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.LSTM(3, 2, num_layers=2, bidirectional=True)
        self.lstm, self.gru, self.rnn = nn.LSTMCell(4, 3), nn.GRUCell(4, 3), nn.RNNCell(4, 3, nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        y, (h, _) = self.long(x)
        a, c = self.lstm(y[-1])
        return y, h, a, c, self.gru(y[-1]), self.rnn(y[-1])


class Gated(nn.Module):
    """A recurrent layer that begins with a state that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        begun = torch.ones([1, x.size(0), 4])
        y, h = self.gru(x, begun)
        return y + h.transpose(0, 1)


def recurrents(dtype: torch.dtype) -> nn.Module:
    """Such layers with weights of 8 bits, or of half precision."""
    torch.backends.quantized.engine = "fbgemm"
    kinds = {nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}
    return ao.quantize_dynamic(Recurrents() if dtype is torch.qint8 else Gated(), kinds, dtype=dtype)


def _random(shape: list[int]) -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.randn(shape)), nn.Parameter(torch.randn(shape))


class QuantizedLayers(nn.Module):
    """Layers of torch.ao.nn.quantized with random weights: transposed convolutions, norms, activations, embeddings."""

    def __init__(self) -> None:
        super().__init__()
        torch.backends.quantized.engine = "fbgemm"
        self.wide = quantized_layers.ConvTranspose2d(3, 4, (3, 2), stride=2, padding=(1, 0), output_padding=1)
        weight = torch.quantize_per_tensor(torch.randn(3, 4, 3, 2), 0.02, 0, torch.qint8)
        self.wide.set_weight_bias(weight, torch.randn(4))
        self.wide.scale, self.wide.zero_point = 0.1, 120
        self.line = quantized_layers.ConvTranspose1d(4, 4, 3)
        self.line.set_weight_bias(torch.quantize_per_tensor(torch.randn(4, 4, 3), 0.02, 0, torch.qint8), None)
        self.line.scale, self.line.zero_point = 0.317, 110
        self.norm = quantized_layers.BatchNorm2d(4)
        self.norm.weight.data, self.norm.bias.data = torch.rand(4) + 0.5, torch.randn(4)
        self.norm.running_mean, self.norm.running_var = torch.randn(4), torch.rand(4) + 0.5
        self.norm.scale, self.norm.zero_point = torch.tensor(0.05), torch.tensor(100)
        shape = [4, 12, 13]
        self.layer = quantized_layers.LayerNorm(shape, *_random(shape), 0.04, 128)
        self.group = quantized_layers.GroupNorm(2, 4, *_random([4]), 0.05, 128)
        self.instance = quantized_layers.InstanceNorm2d(4, *_random([4]), 0.05, 128)
        self.elu, self.leaky = quantized_layers.ELU(0.02, 60, 0.7), quantized_layers.LeakyReLU(0.03, 50, 0.2)
        self.swish = quantized_layers.Hardswish(0.0297, 20)
        self.soft = quantized_layers.Softmax(1, 1 / 256, 0)
        self.table = quantized_layers.Embedding(10, 4)
        self.bag = quantized_layers.EmbeddingBag(10, 4, mode="sum", include_last_offset=True)
        self.narrow = dynamic_layers.Linear(13, 2, dtype=torch.float16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = self.wide(torch.quantize_per_tensor(x, 0.03, 128, torch.quint8))
        line = self.line(y[:, :, 0])
        words = torch.arange(6)
        bags = self.bag(words, torch.tensor([0, 2, 6]))
        norms = [norm(y).dequantize() for norm in (self.norm, self.layer, self.group, self.instance)]
        activations = [one(y).dequantize() for one in (self.elu, self.leaky, self.swish, self.soft)]
        table = self.table(words) + bags[:1]
        return torch.cat([*norms, *activations]), line.dequantize(), table, self.narrow(x[..., :1].expand(2, 3, 6, 13))


class NarrowTables(nn.Module):
    """Embeddings whose weights become numbers of 4 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 6, mode="sum", include_last_offset=True)

    def forward(self, words: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
        table = self.bag._packed_params._packed_weight
        return torch.ops.quantized.embedding_4bit(table, words), self.bag(words, offsets)


def narrow_tables() -> nn.Module:
    """Quantised embeddings of 4 bits."""
    module = NarrowTables().eval()
    module.qconfig = ao.float_qparams_weight_only_qconfig_4bit
    return ao.convert(ao.prepare(module))
