"""Operators of onnxruntime's own set, against onnxruntime; what its CPU does not run is worked out with NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.frontends.onnx.models import normal, saved
from xir.errors import InvalidModelError, UnsupportedError, XirError
from xir.frontends.onnx import import_onnx
from xir.ir.constant import Array
from xir.reference import run


@dataclass(frozen=True)
class Own:
    """A model of one operator of onnxruntime.

    Attributes:
        kind: its op_type.
        feeds: what is fed, by name.
        words: its attributes.
        inputs: the operands' names; by default all that is fed.
        outputs: the results' names, "" for one that is not wanted.
        domain: its operator set.
        note: for the test's name.
    """

    kind: str
    feeds: Mapping[str, Array]
    words: Mapping[str, object] = field(default_factory=dict[str, object])
    inputs: Sequence[str] | None = None
    outputs: Sequence[str] = ("y",)
    domain: str = "com.microsoft"
    note: str = ""

    def __str__(self) -> str:
        """Operator and note."""
        return f"{self.kind}{' ' if self.note else ''}{self.note}"

    def model(self, shapes: Mapping[str, Sequence[int | str]] | None = None) -> onnx.ModelProto:
        names = list(self.feeds) if self.inputs is None else list(self.inputs)
        node = helper.make_node(self.kind, names, list(self.outputs), domain=self.domain, name="node", **self.words)
        inputs = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), (shapes or {}).get(name, array.shape)
            )
            for name, array in self.feeds.items()
        ]
        results = [helper.make_empty_tensor_value_info(name) for name in self.outputs if name]
        if "scores" in self.outputs:
            results[-1] = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)
        graph = helper.make_graph([node], "g", inputs, results)
        opsets = [helper.make_opsetid("", 16), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def i32(*rows: object) -> Array:
    return np.array(rows, np.int32)


X = normal(2, 3, 8)
SKIP = {"x": X, "skip": normal(2, 3, 8, seed=1), "scale": normal(8, seed=2)}
MASK = i32([1, 1, 0], [1, 1, 1])


def activations() -> Iterator[Own]:
    yield Own("Gelu", {"x": X})
    yield Own("BiasGelu", {"x": X, "b": normal(8)})
    yield Own("FastGelu", {"x": X})
    yield Own("FastGelu", {"x": X, "b": normal(8)}, note="bias")
    yield Own("QuickGelu", {"x": X})
    yield Own("QuickGelu", {"x": X}, {"alpha": 1.1}, note="alpha")


def normalizations() -> Iterator[Own]:
    more = {"shift": normal(8, seed=3), "bias": normal(8, seed=4)}
    sums = ("y", "", "", "sum")
    yield Own("SkipLayerNormalization", {**SKIP, **more}, {"epsilon": 1e-5}, outputs=sums)
    yield Own("SkipLayerNormalization", {**SKIP, "skip": normal(3, 8)}, note="one skip for all")
    yield Own("SkipLayerNormalization", SKIP, outputs=("y", "mean", "inverse"), note="statistics")
    simple = {name: array for name, array in SKIP.items() if name != "bias"}
    yield Own("SkipSimplifiedLayerNormalization", simple, note="no bias")
    yield Own("SkipSimplifiedLayerNormalization", {**SKIP, "bias": more["bias"]}, outputs=sums)
    simple = {"x": X, "scale": normal(8, seed=2)}
    yield Own("SimplifiedLayerNormalization", simple, domain="", outputs=("y", "inverse"))
    yield Own("SimplifiedLayerNormalization", simple, domain="")
    yield Own("LayerNormalization", {**simple, "shift": more["shift"]}, domain="", outputs=("y", "mean", "inverse"))
    rows = {"ids": i32([0, 2, 1], [3, 1, 1]), "seg": i32([0, 0, 1], [1, 1, 0]), "w": normal(5, 8), "p": normal(6, 8)}
    embed = {**rows, "s": normal(2, 8), "g": normal(8), "b": normal(8, seed=1)}
    kind = "EmbedLayerNormalization"
    yield Own(kind, embed, outputs=("y", "count"))
    yield Own(kind, {**embed, "m": MASK}, outputs=("y", "count", "sum"), note="mask")
    yield Own(kind, {**embed, "m": MASK, "at": i32([2, 1, 0])}, outputs=("y", "count"), note="places")
    names = ["ids", "", "w", "p", "", "g", "b"]
    some = {name: embed[name] for name in names if name}
    yield Own(kind, some, inputs=names, outputs=("y", "count"), note="no segments")


def attentions() -> Iterator[Own]:
    base, heads = {"x": X, "w": normal(8, 24), "b": normal(24)}, {"num_heads": 2}
    for words in ({}, {"unidirectional": 1}, {"scale": 0.3}):
        yield Own("Attention", base, {**heads, **words}, outputs=("y", "present"), note=str(words))
    masks = {
        "rows": MASK,
        "ends": i32(2, 3),
        "ends and starts": i32(2, 3, 1, 0),
        "a row for each query": np.tril(np.ones((2, 3, 3), np.int32)),
    }
    for note, mask in masks.items():
        yield Own("Attention", {**base, "m": mask}, heads, note=note)
    yield Own("Attention", {**base, "m": MASK}, {**heads, "mask_filter_value": -3.0}, note="another filter")
    past = {**base, "past": normal(2, 2, 2, 4, 4)}
    names = ["x", "w", "b", "", "past"]
    yield Own("Attention", past, {**heads, "unidirectional": 1}, names, ("y", "present"), note="past")
    bias = {**base, "m": MASK, "e": normal(1, 2, 3, 3)}
    yield Own("Attention", bias, heads, ["x", "w", "b", "", "", "e"], note="bias")
    yield Own("Attention", bias, heads, ["x", "w", "b", "m", "", "e"], note="mask and bias")
    wide = {"x": X, "w": normal(8, 28), "b": normal(28)}
    yield Own("Attention", wide, {**heads, "qkv_hidden_sizes": [8, 8, 12]}, note="wider values")


def multi_heads() -> Iterator[Own]:
    kind, heads = "MultiHeadAttention", {"num_heads": 2}
    base = {"q": X, "k": normal(2, 5, 8, seed=1), "v": normal(2, 5, 12, seed=2)}
    mask = i32([1, 1, 0, 1, 0], [1, 1, 1, 0, 0])
    yield Own(kind, base, heads)
    yield Own(kind, base, {**heads, "scale": 0.3}, note="scale")
    yield Own(kind, {**base, "b": normal(28)}, heads, note="bias")
    same = {name: normal(2, 3, 8, seed=seed) for seed, name in enumerate("qkv")}
    yield Own(kind, same, {**heads, "unidirectional": 1}, outputs=("y", "keys", "values"), note="causal")
    for note, each in {"rows": mask, "ends": i32(3, 4), "queries": i32(*(normal(2, 3, 5) > 0))}.items():
        yield Own(kind, {**base, "m": each}, heads, ["q", "k", "v", "", "m"], note=note)
    outputs = ("y", "", "", "scores")
    yield Own(kind, {**base, "m": mask}, heads, ["q", "k", "v", "", "m"], outputs, note="products")
    extra = {**base, "m": mask, "e": normal(1, 1, 3, 5)}
    yield Own(kind, extra, heads, ["q", "k", "v", "", "m", "e"], note="mask and bias of products")
    past = {name: normal(2, 1, 8, seed=seed) for seed, name in enumerate("qkv")}
    past |= {"pk": normal(2, 2, 4, 4), "pv": normal(2, 2, 4, 4, seed=1)}
    names = ["q", "k", "v", "", "", "", "pk", "pv"]
    yield Own(kind, past, heads, names, ("y", "keys", "values"), note="past")
    cross = {"q": X, "k": normal(2, 2, 5, 4), "v": normal(2, 2, 5, 4, seed=1)}
    yield Own(kind, cross, heads, note="heads apart")
    yield Own(kind, {**cross, "b": normal(24)}, heads, note="heads apart, bias")


def rotations() -> Iterator[Own]:
    table = {"c": normal(9, 4), "s": normal(9, 4, seed=1)}
    places = np.array([[0, 1, 2], [4, 5, 6]])
    for interleaved in (0, 1):
        words = {"interleaved": interleaved}
        yield Own("RotaryEmbedding", {"x": normal(2, 2, 3, 8), "p": places, **table}, words)
        yield Own("RotaryEmbedding", {"x": normal(2, 3, 16), "p": places, **table}, words, note="flat")
    flat = {"x": normal(2, 3, 16), "p": np.array([3]), **table}
    yield Own("RotaryEmbedding", flat, note="one position")
    part = {"x": normal(2, 3, 20), "p": places, **table}
    yield Own("RotaryEmbedding", part, {"num_heads": 2, "rotary_embedding_dim": 8}, note="a part")


def grouped(
    note: str, steps: int, past: int | None, ends: Sequence[int], total: int, more: Mapping[str, Array], **words: object
) -> Own:
    batch, size = len(ends), 16
    feeds = {name: normal(batch, steps, count * size, seed=count) for name, count in (("q", 4), ("k", 2), ("v", 2))}
    cache = {} if past is None else {name: normal(batch, 2, past, size, seed=7) for name in ("pk", "pv")}
    feeds |= {**cache, "ends": i32(*ends), "total": np.array(total, np.int32), **more}
    tail = ["c", "s", "at", "e", "sink"]
    while tail and tail[-1] not in more:
        tail.pop()
    names = ["q", "k", "v", *(("pk", "pv") if cache else ("", "")), "ends", "total"]
    names += [name if name in more else "" for name in tail]
    heads = {"num_heads": 4, "kv_num_heads": 2, **words}
    return Own("GroupQueryAttention", feeds, heads, names, ("y", "keys", "values"), note=note)


def groups() -> Iterator[Own]:
    yield grouped("first", 3, 0, [2, 2], 3, {})
    yield grouped("first without a cache", 3, None, [2, 2], 3, {})
    yield grouped("next", 1, 4, [4, 4], 5, {})
    yield grouped("next in a longer buffer", 1, 8, [4, 3], 5, {})
    yield grouped("two next", 2, 4, [5], 6, {})
    table = {"c": normal(16, 8), "s": normal(16, 8, seed=1)}
    for interleaved in (0, 1):
        words = {"do_rotary": 1, "rotary_interleaved": interleaved}
        yield grouped("turned", 3, 0, [2, 2], 3, table, **words)
        yield grouped("next, turned", 1, 4, [4, 4], 5, table, **words)
    yield grouped("turned at places", 1, 4, [4, 4], 5, {**table, "at": np.array([[3], [2]])}, do_rotary=1)
    yield grouped("window", 5, 0, [4, 4], 5, {}, local_window_size=2)
    yield grouped("both ways", 3, 0, [2, 2], 3, {}, causal=0)
    yield grouped("cap and scale", 3, 0, [2, 2], 3, {}, softcap=1.5, scale=0.5)
    yield grouped("smooth", 3, 0, [2, 2], 3, {}, smooth_softmax=1)
    yield grouped("bias", 3, 0, [2, 2], 3, {"e": normal(1, 4, 3, 3)})
    yield grouped("sink", 3, 0, [2, 2], 3, {"sink": normal(4)})
    yield grouped("bias and sink", 1, 4, [4, 4], 5, {"e": normal(2, 1, 1, 5), "sink": normal(4)})


CASES = [*activations(), *normalizations(), *attentions(), *multi_heads(), *rotations(), *groups()]


@pytest.mark.parametrize("case", CASES, ids=[f"{index}-{case}" for index, case in enumerate(CASES)])
def test_operator_computes_what_onnxruntime_does(case: Own, tmp_path: Path) -> None:
    import onnxruntime

    path = saved(case.model(), tmp_path)
    got = run(import_onnx(path), case.feeds)
    onnxruntime.set_default_logger_severity(4)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    ends = case.feeds.get("ends")
    for name, raw in zip(got, session.run(None, dict(case.feeds)), strict=True):
        have, want = got[name], np.asarray(raw)
        assert (have.shape, have.dtype) == (want.shape, want.dtype)
        if ends is not None and name in ("keys", "values"):  # what stands behind the last key is not said
            behind = np.arange(have.shape[2]) > ends.reshape(-1, 1, 1)
            have, want = (np.where(behind[..., None], 0, each) for each in (have, want))
        np.testing.assert_allclose(have, want, rtol=1e-3, atol=1e-4)


def results(case: Own, folder: Path) -> list[Array]:
    return list(run(import_onnx(saved(case.model(), folder)), case.feeds).values())


def test_shorter_prompts_do_not_see_their_padding(tmp_path: Path) -> None:
    case = grouped("", 3, 0, [1, 2], 3, {})
    y = results(case, tmp_path)[0]
    alone = grouped("", 2, 0, [1], 2, {})
    feeds = {name: case.feeds[name][:1, :2] for name in "qkv"} | {"pk": alone.feeds["pk"], "pv": alone.feeds["pv"]}
    feeds |= {"ends": i32(1), "total": np.array(2, np.int32)}
    short = results(Own(alone.kind, feeds, alone.words, alone.inputs, alone.outputs), tmp_path)[0]
    np.testing.assert_allclose(y[:1, :2], short, rtol=1e-4, atol=1e-5)


def test_queries_and_keys_are_normalized_on_request(tmp_path: Path) -> None:
    weights = {"qw": normal(16), "kw": normal(16, seed=1)}
    base = grouped("", 3, None, [2, 2], 3, {})
    names = [*(base.inputs or ()), *("",) * 7, "qw", "kw"]
    got = results(Own(base.kind, {**base.feeds, **weights}, base.words, names, base.outputs), tmp_path)

    def normed(x: Array, weight: Array) -> Array:
        heads = x.reshape(2, 3, -1, 16)
        return (heads / np.sqrt((heads**2).mean(-1, keepdims=True) + 1e-6) * weight).reshape(x.shape)

    feeds = {**base.feeds, "q": normed(base.feeds["q"], weights["qw"]), "k": normed(base.feeds["k"], weights["kw"])}
    want = results(Own(base.kind, feeds, base.words, base.inputs, base.outputs), tmp_path)
    for have, expected in zip(got, want, strict=True):
        np.testing.assert_allclose(have, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("past", [0, 4, 9])
def test_a_known_total_makes_a_cache_of_known_length(past: int, tmp_path: Path) -> None:
    base = grouped("", 1, past, [past, past], past + 1, {}) if past != 9 else grouped("", 1, 9, [4, 4], 5, {})
    made = base.model()
    total = onnx.numpy_helper.from_array(base.feeds["total"], "total")
    made.graph.initializer.append(total)
    graph = import_onnx(saved(made, tmp_path))
    assert graph.outputs[1].shape == (2, 2, max(past, 1 if past == 0 else 5), 16)
    feeds = {name: array for name, array in base.feeds.items() if name != "total"}
    for have, want in zip(run(graph, feeds).values(), results(base, tmp_path), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


def test_packed_operands_are_taken_apart(tmp_path: Path) -> None:
    q, k, v = (normal(2, 3, 8, seed=seed) for seed in range(3))
    words = {"num_heads": 2}
    (want,) = results(Own("MultiHeadAttention", {"q": q, "k": k, "v": v}, words), tmp_path)
    heads = [each.reshape(2, 3, 2, 4) for each in (q, k, v)]
    (all_packed,) = results(Own("MultiHeadAttention", {"q": np.stack(heads, 3)}, words), tmp_path)
    (keys_packed,) = results(Own("MultiHeadAttention", {"q": q, "k": np.stack(heads[1:], 3)}, words), tmp_path)
    np.testing.assert_allclose(all_packed, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(keys_packed, want, rtol=1e-5, atol=1e-6)
    base = grouped("", 3, None, [2, 2], 3, {})
    packed = {"q": np.concatenate([base.feeds[name] for name in "qkv"], 2), "ends": i32(2, 2), "total": i32(3)}
    names = ["q", "", "", "", "", "ends", "total"]
    (got, *_), (wanted, *_) = results(Own(base.kind, packed, base.words, names), tmp_path), results(base, tmp_path)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def gelu(x: Array) -> Array:
    from math import erf

    return 0.5 * x * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def test_what_the_cpu_of_onnxruntime_does_not_run(tmp_path: Path) -> None:
    bias = normal(8, seed=1)
    (split,) = results(Own("BiasSplitGelu", {"x": X, "b": bias}), tmp_path)
    np.testing.assert_allclose(split, (X + bias)[..., :4] * gelu((X + bias)[..., 4:]), rtol=1e-4, atol=1e-5)
    (added,) = results(Own("BiasAdd", {"x": X, "b": bias, "s": SKIP["skip"]}), tmp_path)
    np.testing.assert_allclose(added, X + bias + SKIP["skip"], rtol=1e-5)
    image, weight = normal(1, 5, 4, 2), normal(3, 2, 3, 2)
    (last,) = results(Own("NhwcConv", {"x": image, "w": weight}), tmp_path)
    first = {"x": image.transpose(0, 3, 1, 2), "w": weight}
    (want,) = results(Own("Conv", first, domain=""), tmp_path)
    np.testing.assert_allclose(last, want.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("last", [0, 1])
def test_groups_of_channels(last: int, tmp_path: Path) -> None:
    x, scale, shift = normal(2, 4, 3, 5), normal(4), normal(4, seed=1)
    groups = x.reshape(2, 2, -1)
    plain = ((groups - groups.mean(2, keepdims=True)) / np.sqrt(groups.var(2, keepdims=True) + 1e-5)).reshape(x.shape)
    want = plain * scale.reshape(-1, 1, 1) + shift.reshape(-1, 1, 1)
    turn = (0, 2, 3, 1) if last else (0, 1, 2, 3)
    feeds = {"x": x.transpose(turn), "g": scale, "b": shift}
    words = {"groups": 2, "channels_last": last}
    (got,) = results(Own("GroupNorm", feeds, {**words, "activation": 0}), tmp_path)
    np.testing.assert_allclose(got, want.transpose(turn), rtol=1e-3, atol=1e-4)
    (silu,) = results(Own("GroupNorm", feeds, {**words, "activation": 1}), tmp_path)
    np.testing.assert_allclose(silu, (want / (1 + np.exp(-want))).transpose(turn), rtol=1e-3, atol=1e-4)
    skip, bias = normal(2, 4, seed=2), normal(4, seed=3)
    less = x - skip[:, :, None, None] - bias[:, None, None]
    feeds = {"x": less.transpose(turn), "g": scale, "b": shift, "skip": skip, "bias": bias}
    got, total = results(Own("SkipGroupNorm", feeds, {**words, "activation": 0}, outputs=("y", "s")), tmp_path)
    np.testing.assert_allclose(got, want.transpose(turn), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(total, x.transpose(turn), rtol=1e-4, atol=1e-5)


HEADS = {"num_heads": 2}
ATTENTION = {"x": X, "w": normal(8, 24), "b": normal(24)}
MANY = {"q": X, "k": X, "v": X}
TURN = {"x": X, "p": np.array([3]), "c": normal(9, 4), "s": normal(9, 4)}
GROUP = grouped("", 3, None, [2, 2], 3, {})


def group(**words: object) -> Own:
    return Own(GROUP.kind, GROUP.feeds, {**GROUP.words, **words}, GROUP.inputs)


REFUSED: list[tuple[Own, type[XirError], str]] = [
    (Own("BiasSplitGelu", {"x": normal(1, 2, 3), "b": normal(3)}), InvalidModelError, "an even last axis"),
    (Own("SkipSimplifiedLayerNormalization", SKIP, outputs=("y", "mean")), UnsupportedError, "that has none"),
    (Own("EmbedLayerNormalization", {"x": i32([1])}), InvalidModelError, "rows of words"),
    (
        Own("GroupNorm", {"x": normal(1, 2, 2, 4), "g": normal(4), "b": normal(4)}, {"groups": 2, "activation": 2}),
        InvalidModelError,
        "activation is 2",
    ),
    (Own("Attention", ATTENTION, {**HEADS, "do_rotary": 1}), UnsupportedError, "turns its operands itself"),
    (Own("Attention", ATTENTION, {**HEADS, "past_present_share_buffer": 1}), UnsupportedError, "share a buffer"),
    (Own("Attention", {**ATTENTION, "m": i32(*range(8))}, HEADS), UnsupportedError, "a mask of the type i32"),
    (Own("Attention", {**ATTENTION, "m": i32([[[[1]]]])}, HEADS), UnsupportedError, "a mask of the type i32"),
    (
        Own("Attention", {**ATTENTION, "m": i32([1], [1])}, HEADS),
        UnsupportedError,
        "a mask of 1 keys where there are 3",
    ),
    (Own("MultiHeadAttention", {"q": X}, HEADS), InvalidModelError, "keys and values are missing"),
    (
        Own("MultiHeadAttention", {"q": X, "k": normal(2, 3, 2, 2, 4), "b": normal(24)}, HEADS, ["q", "k", "", "b"]),
        UnsupportedError,
        "packed together",
    ),
    (
        Own("MultiHeadAttention", {**MANY, "n": i32(3)}, HEADS, ["q", "k", "v", *[""] * 5, "n"]),
        UnsupportedError,
        "share a buffer",
    ),
    (Own("RotaryEmbedding", TURN, {"is_packed_batching": 1}), UnsupportedError, "packed batches"),
    (
        Own("RotaryEmbedding", {**TURN, "c": normal(9, 0), "s": normal(9, 0)}),
        InvalidModelError,
        "0 numbers of each head",
    ),
    (Own("RotaryEmbedding", TURN, {"scale": 2.0}), UnsupportedError, "with a scale"),
    (group(k_quant_type="PER_TENSOR"), UnsupportedError, "a quantized cache"),
    (group(sliding_window_cache=1), UnsupportedError, "only as long as the window"),
    (group(qk_output=1), UnsupportedError, "products of queries and keys"),
    (group(do_rotary=1), InvalidModelError, "needs cos_cache"),
    (Own(GROUP.kind, {"q": X, "k": X, "v": X}, GROUP.words), InvalidModelError, "seqlens_k and total"),
]


@pytest.mark.parametrize(("case", "kind", "text"), REFUSED, ids=[f"{i}-{case}" for i, (case, *_) in enumerate(REFUSED)])
def test_refusals_name_the_cause(case: Own, kind: type[XirError], text: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=text):
        import_onnx(saved(case.model(), tmp_path))


UNKNOWN: list[tuple[Own, dict[str, Sequence[int | str]], str]] = [
    (Own("RotaryEmbedding", TURN), {"c": ["n", "h"], "s": ["n", "h"]}, "of an unknown size"),
    (Own("RotaryEmbedding", TURN), {"x": [2, 3, "w"]}, "unknown number of heads"),
    (
        grouped("", 3, None, [2, 2], 3, {"c": normal(9, 8), "s": normal(9, 8)}, do_rotary=1),
        {"c": ["n", "h"], "s": ["n", "h"]},
        "of an unknown size",
    ),
]


@pytest.mark.parametrize(("case", "shapes", "text"), UNKNOWN)
def test_sizes_that_must_be_known(case: Own, shapes: dict[str, Sequence[int | str]], text: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=text):
        import_onnx(saved(case.model(shapes), tmp_path))
