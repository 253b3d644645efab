"""With which numbers a layer computes (keras/src/dtype_policies/dtype_policy.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xir.errors import UnsupportedError
from xir.frontends.keras.model import Json, Layer
from xir.frontends.keras.owners import OPERATION
from xir.ir.types import DType

_OF_NUMBERS = frozenset(
    {
        "CategoryEncoding",
        "Discretization",
        "HashedCrossing",
        "Hashing",
        "IntegerLookup",
        "StringLookup",
        "TextVectorization",
    }
)
"""Layers whose type is that of their results, which are numbers of categories."""

_WIDE = frozenset({"BatchNormalization", "SyncBatchNormalization", "GroupNormalization", "LayerNormalization"})
"""Layers that compute with f32 at the least, and keep their weights so (keras/src/layers/normalization)."""

_UNTOUCHED = frozenset({"GroupNormalization", "LayerNormalization"})
"""Those of them that take what they are called with as it is (`autocast = False`)."""

_QUANTIZED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **dict.fromkeys(("Dense", "EinsumDense"), frozenset({"int8", "int4", "float8"})),
        "Embedding": frozenset({"int8", "int4"}),
    }
)
"""{a layer whose quantised weights are read: how they may be kept}."""

_WITHOUT_ZEROS = frozenset({"gptq", "awq"})
"""Modes of which Keras 3.15 does not store `kernel_zero` (layers/core/dense.py, `save_own_variables`)."""

_MODES = (
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
    "Int4DTypePolicy",
    "GPTQDTypePolicy",
    "AWQDTypePolicy",
)
"""Policies that say how weights are quantised, and of which numbers they were before."""

_COMPUTED: Mapping[Json, DType] = MappingProxyType(
    {
        None: DType.FLOAT32,
        "float16": DType.FLOAT16,
        "bfloat16": DType.BFLOAT16,
        "float32": DType.FLOAT32,
        "float64": DType.FLOAT64,
        "mixed_float16": DType.FLOAT16,
        "mixed_bfloat16": DType.BFLOAT16,
    }
)


@dataclass(frozen=True, slots=True)
class Policy:
    """With which real numbers a layer computes.

    Attributes:
        given: to what it rounds what it is called with; None leaves it.
        within: with what it computes, its weights too.
        result: of what its result is.
        quantized: how its weights are kept (`int8`, `int4`, `float8`), or None.
    """

    given: DType | None
    within: DType
    result: DType
    quantized: str | None = None


def policy_of(layer: Layer) -> Policy | None:
    """The policy of a layer; None for those that take and give what comes.

    Raises:
        UnsupportedError: it is none of Keras's for real numbers.
    """
    if layer.kind.startswith(OPERATION) or layer.kind in _OF_NUMBERS or layer.kind == "InputLayer":
        return None
    result, quantized = _computed(layer.config.get("dtype"))
    if quantized in _WITHOUT_ZEROS:
        raise UnsupportedError(
            f"the {quantized} weights of a layer {layer.kind}: Keras leaves their zeros out of its files",
            hint="save the model before it is quantised",
        )
    if quantized is not None and quantized not in _QUANTIZED.get(layer.kind, ()):
        raise UnsupportedError(
            f"the {quantized} weights of a layer {layer.kind}",
            hint="quantise Dense, EinsumDense and, in int8 or int4, Embedding alone",
        )
    within = DType.FLOAT32 if layer.kind in _WIDE and result.bits < 32 else result
    return Policy(None if layer.kind in _UNTOUCHED else result, within, result, quantized)


def _computed(held: Json) -> tuple[DType, str | None]:
    """With what a policy computes, and how weights of it are quantised: a word, which a block's size may follow."""
    name, mode = held, None
    if isinstance(held, dict):
        inner, kind = held.get("config"), held.get("class_name")
        settings = inner if isinstance(inner, dict) else {}
        if kind not in ("DTypePolicy", "FloatDTypePolicy", "Policy", *_MODES):
            raise UnsupportedError(f"the policy {kind!r} of its numbers", hint="save the model in float32")
        name = settings.get("source_name" if kind in _MODES else "name", "?")
        mode = str(settings.get("mode")).split("/")[0] if kind in _MODES else None
    if isinstance(name, dict | list) or name not in _COMPUTED:
        raise UnsupportedError(f"numbers of the type {name!r}", hint="save the model in float32")
    return _COMPUTED[name], mode
