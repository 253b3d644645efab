"""torch.nn's sequence modules: recurrent ones, attention and Transformers, with states, masks and lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

from tests.frontends.torch.networks.network import Network, random

SIZES = {"N": (2, 3), "t": (7, 11), "u": (5, 6)}
TOLERANCES = {"float32": 1e-4, "float64": 1e-9, "bfloat16": 3e-2}
"""By the type of weights and inputs; bf16 has 8 bits, and layers round in another order."""

RECURRENT: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("RNN", {}),
    "rnn_relu_deep": ("RNN", {"nonlinearity": "relu", "num_layers": 3, "bidirectional": True, "dropout": 0.3}),
    "lstm": ("LSTM", {"num_layers": 2, "dropout": 0.3}),
    "lstm_both": ("LSTM", {"num_layers": 3, "bidirectional": True, "batch_first": True, "bias": False}),
    "lstm_projected": ("LSTM", {"num_layers": 2, "proj_size": 4, "bidirectional": True}),
    "gru": ("GRU", {"num_layers": 1}),
    "gru_both": ("GRU", {"num_layers": 2, "bidirectional": True, "batch_first": True}),
}
"""{name: (module, settings)}; 6 features come in, 8 are hidden."""

CELLS = {"rnn_cell": "RNNCell", "lstm_cell": "LSTMCell", "gru_cell": "GRUCell"}

SCRIPTS: tuple[Literal["trace", "script"], ...] = ("trace", "script")


def _of_type(module: Any, dtype: str) -> Any:
    import torch

    return module.to(getattr(torch, dtype))


def _recurrent(kind: str, settings: Mapping[str, Any], dtype: str) -> Any:
    from torch import nn

    return _of_type(getattr(nn, kind)(6, 8, **settings), dtype)


def _stateful(kind: str, settings: Mapping[str, Any]) -> Any:
    """With states from outside; arguments without types are tensors to TorchScript."""
    from torch import nn

    class Stateful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = _recurrent(kind, settings, "float32")

        def forward(self, x, state):
            return self.layers(x, state)

    class WithCells(Stateful):
        def forward(self, x, state, cells):
            return self.layers(x, (state, cells))

    return WithCells() if kind.startswith("LSTM") else Stateful()


def _drawn(dtype: str, *shape: int) -> Any:
    import torch

    return random(*shape).to(getattr(torch, dtype))


def _sequence(sizes: Mapping[str, int], settings: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    shape = (sizes["N"], sizes["t"]) if settings.get("batch_first") else (sizes["t"], sizes["N"])
    return {"input": _drawn(dtype, *shape, 6)}


def _with_states(sizes: Mapping[str, int], kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    count = settings.get("num_layers", 1) * (2 if settings.get("bidirectional") else 1)
    given = {"x": _sequence(sizes, settings, "float32")["input"]}
    given["state"] = random(count, sizes["N"], settings.get("proj_size", 8))
    return given | {"cells": random(count, sizes["N"], 8)} if kind == "LSTM" else given


def _recurrents() -> Iterator[Network]:
    """torch.export writes a step for each place of a sequence: its length is no symbol."""
    sizes = {"N": (2, 3), "t": (7,)}
    for name, (kind, settings) in RECURRENT.items():
        batch = {0: "N"} if settings.get("batch_first") else {1: "N"}
        for dtype in TOLERANCES if name in ("lstm", "gru_both", "rnn") else ("float32",):
            shown = f"sequences.{name}" if dtype == "float32" else f"sequences.{name}_{dtype}"
            build = partial(_recurrent, kind, settings, dtype)
            inputs = partial(_sequence, settings=settings, dtype=dtype)
            tolerance = TOLERANCES[dtype]
            yield Network(shown, build, inputs, {"input": batch}, sizes, tolerance=tolerance, reference=True)
        given = partial(_with_states, kind=kind, settings=settings)
        axes = {"x": batch, "state": {1: "N"}} | ({"cells": {1: "N"}} if kind == "LSTM" else {})
        build = partial(_stateful, kind, settings)
        yield Network(f"sequences.{name}_states", build, given, axes, sizes, script="script", reference=True)


def _cell(sizes: Mapping[str, int], kind: str) -> dict[str, Any]:
    given = {"x": random(sizes["N"], 6), "state": random(sizes["N"], 8)}
    return given | {"cells": random(sizes["N"], 8)} if kind == "LSTMCell" else given


def _cells() -> Iterator[Network]:
    for name, kind in CELLS.items():
        batch = {0: "N"}
        axes = {"x": batch, "state": batch} | ({"cells": batch} if kind == "LSTMCell" else {})
        for script in SCRIPTS:
            shown = f"sequences.{name}{'_scripted' if script == 'script' else ''}"
            build, inputs = partial(_stateful, kind, {}), partial(_cell, kind=kind)
            yield Network(shown, build, inputs, axes, {"N": (2, 3)}, script=script, reference=True)


def _packed(kind: str, settings: Mapping[str, Any]) -> Any:
    """Sequences of several lengths, sorted and not; arguments without types are tensors to TorchScript."""
    from torch import nn
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = getattr(nn, kind)(6, 8, batch_first=True, **settings)

        def forward(self, x, lengths):
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            made, states = self.layers(packed)
            padded, _ = pad_packed_sequence(made, batch_first=True, total_length=x.shape[1])
            return padded, states

    return Packed()


def _lengths(sizes: Mapping[str, int]) -> dict[str, Any]:
    import torch

    return {"x": random(sizes["N"], sizes["t"], 6), "lengths": torch.arange(sizes["N"]) + sizes["t"] - sizes["N"] + 1}


def _packs() -> Iterator[Network]:
    axes = {"x": {0: "N", 1: "t"}, "lengths": {0: "N"}}
    for kind in ("RNN", "LSTM", "GRU"):
        build = partial(_packed, kind, {"num_layers": 2, "bidirectional": True})
        yield Network(f"sequences.{kind.lower()}_packed", build, _lengths, axes, SIZES, reference=True)


def _padding(rows: int, count: int) -> Any:
    """True where a row is padded."""
    import torch

    return torch.arange(count) >= count - torch.arange(rows).unsqueeze(1) * 2


def _causal(count: int) -> Any:
    import torch

    return torch.full((count, count), float("-inf")).triu(1)


def _attention(settings: Mapping[str, Any], weights: bool, average: bool, dtype: str) -> Any:
    from torch import nn

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 4, **settings)

        def forward(self, query, key, value, key_padding_mask, attn_mask):
            return self.attention(query, key, value, key_padding_mask, False, attn_mask)[0]

    class WithWeights(Attention):
        average = True

        def forward(self, query, key, value, key_padding_mask, attn_mask):
            return self.attention(query, key, value, key_padding_mask, True, attn_mask, self.average)

    made = WithWeights() if weights else Attention()
    made.average = average
    return _of_type(made, dtype)


def _attended(sizes: Mapping[str, int], settings: Mapping[str, Any], dtype: str, masks: str) -> dict[str, Any]:
    import torch

    rows, count, others = sizes["N"], sizes["t"], sizes["u"]
    order = (0, 1, 2) if settings.get("batch_first") else (1, 0, 2)
    drawn = [
        _drawn(dtype, rows, length, width).permute(order).contiguous()
        for length, width in ((others, 16), (count, settings.get("kdim", 16)), (count, settings.get("vdim", 16)))
    ]
    padding = _padding(rows, count)
    if masks == "bool":
        mask: Any = torch.rand(others, count) > 0.8
        mask[:, 0] = False
    else:
        mask = _drawn(dtype, others, count)
        padding = torch.zeros(rows, count, dtype=mask.dtype).masked_fill(padding, float("-inf"))
    return dict(zip(("query", "key", "value", "key_padding_mask", "attn_mask"), (*drawn, padding, mask), strict=True))


ATTENTION: dict[str, tuple[dict[str, Any], bool, bool, str, str]] = {
    "attention": ({"batch_first": True}, False, True, "float32", "bool"),
    "attention_weights": ({}, True, True, "float32", "bool"),
    "attention_heads": ({"batch_first": True}, True, False, "float32", "float"),
    "attention_added": ({"add_bias_kv": True, "add_zero_attn": True, "bias": False}, True, True, "float32", "bool"),
    "attention_widths": ({"kdim": 12, "vdim": 10, "batch_first": True}, True, True, "float32", "float"),
    "attention_float64": ({"batch_first": True}, False, True, "float64", "float"),
    "attention_bfloat16": ({"batch_first": True}, False, True, "bfloat16", "bool"),
}
"""{name: (settings, whether weights come out, whether their mean does, type, kind of masks)}."""


def _attentions() -> Iterator[Network]:
    for name, (settings, weights, average, dtype, masks) in ATTENTION.items():
        first = {0: "N", 1: "u"} if settings.get("batch_first") else {0: "u", 1: "N"}
        second = {0: "N", 1: "t"} if settings.get("batch_first") else {0: "t", 1: "N"}
        axes = {"query": first, "key": second, "value": second}
        axes |= {"key_padding_mask": {0: "N", 1: "t"}, "attn_mask": {0: "u", 1: "t"}}
        build = partial(_attention, settings, weights, average, dtype)
        inputs = partial(_attended, settings=settings, dtype=dtype, masks=masks)
        for script in SCRIPTS:
            shown = f"sequences.{name}{'_scripted' if script == 'script' else ''}"
            yield Network(shown, build, inputs, axes, SIZES, script=script, tolerance=TOLERANCES[dtype], reference=True)


Part = Literal["encoder", "decoder", "both"]


def _transformer(part: Part, settings: Mapping[str, Any], dtype: str, fast: bool) -> Any:
    """An encoder, a decoder or both; `fast`: whether torch may take its own fast path of encoders."""
    from torch import nn

    layer = {"dim_feedforward": 24, "dropout": 0.2} | settings

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one = nn.TransformerEncoderLayer(16, 4, **layer)
            self.layers = nn.TransformerEncoder(one, 2, nn.LayerNorm(16), enable_nested_tensor=fast)
            self.rows_first = bool(settings.get("batch_first"))

        def forward(self, src, padding):
            made = self.layers(src, src_key_padding_mask=padding)
            hidden = padding if self.rows_first else padding.t()
            return made.masked_fill(hidden.unsqueeze(2), 0.0)

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, **layer), 2)

        def forward(self, tgt, memory, mask, padding):
            return self.layers(tgt, memory, tgt_mask=mask, memory_key_padding_mask=padding, tgt_is_causal=True)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = nn.Transformer(16, 4, 2, 2, **layer)

        def forward(self, src, tgt, mask, padding):
            return self.transformer(
                src, tgt, tgt_mask=mask, src_key_padding_mask=padding, memory_key_padding_mask=padding
            )

    made = {"encoder": Encoder, "decoder": Decoder, "both": Both}[part]()
    return _of_type(made, dtype)


def _fed(sizes: Mapping[str, int], part: Part, settings: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    order = (0, 1, 2) if settings.get("batch_first") else (1, 0, 2)
    long = _drawn(dtype, sizes["N"], sizes["t"], 16).permute(order).contiguous()
    short = _drawn(dtype, sizes["N"], sizes["u"], 16).permute(order).contiguous()
    padding, mask = _padding(sizes["N"], sizes["t"]), _causal(sizes["u"]).to(long.dtype)
    if part == "encoder":
        return {"src": long, "padding": padding}
    if part == "decoder":
        return {"tgt": short, "memory": long, "mask": mask, "padding": padding}
    return {"src": long, "tgt": short, "mask": mask, "padding": padding}


TRANSFORMERS: dict[str, tuple[Part, dict[str, Any], str, bool]] = {
    "encoder": ("encoder", {"batch_first": True}, "float32", False),
    "encoder_fast": ("encoder", {"batch_first": True}, "float32", True),
    "encoder_fast_first": ("encoder", {"batch_first": True, "norm_first": True, "activation": "gelu"}, "float32", True),
    "encoder_time_first": ("encoder", {}, "float32", True),
    "encoder_float64": ("encoder", {"batch_first": True}, "float64", False),
    "encoder_bfloat16": ("encoder", {"batch_first": True}, "bfloat16", False),
    "decoder": ("decoder", {"batch_first": True}, "float32", False),
    "decoder_time_first": ("decoder", {"norm_first": True, "activation": "gelu"}, "float32", False),
    "transformer": ("both", {"batch_first": True}, "float32", False),
    "transformer_time_first": ("both", {}, "float32", False),
    "transformer_float64": ("both", {"batch_first": True, "norm_first": True}, "float64", False),
}
"""{name: (which part, settings, type, whether torch may take its fast path)}."""


def _axes(part: Part, settings: Mapping[str, Any]) -> dict[str, Any]:
    long = {0: "N", 1: "t"} if settings.get("batch_first") else {0: "t", 1: "N"}
    short = {0: "N", 1: "u"} if settings.get("batch_first") else {0: "u", 1: "N"}
    padding, mask = {0: "N", 1: "t"}, {0: "u", 1: "u"}
    if part == "encoder":
        return {"src": long, "padding": padding}
    if part == "decoder":
        return {"tgt": short, "memory": long, "mask": mask, "padding": padding}
    return {"src": long, "tgt": short, "mask": mask, "padding": padding}


def _transformers() -> Iterator[Network]:
    for name, (part, settings, dtype, fast) in TRANSFORMERS.items():
        build = partial(_transformer, part, settings, dtype, fast)
        inputs = partial(_fed, part=part, settings=settings, dtype=dtype)
        axes, tolerance = _axes(part, settings), TOLERANCES[dtype]
        for script in SCRIPTS if name in ("encoder", "encoder_fast", "decoder", "transformer") else SCRIPTS[:1]:
            shown = f"sequences.{name}{'_scripted' if script == 'script' else ''}"
            yield Network(shown, build, inputs, axes, SIZES, script=script, tolerance=tolerance, reference=True)


def rows() -> Iterator[Network]:
    """The networks."""
    yield from _recurrents()
    yield from _cells()
    yield from _packs()
    yield from _attentions()
    yield from _transformers()
