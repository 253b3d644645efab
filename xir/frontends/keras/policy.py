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
    """

    given: DType | None
    within: DType
    result: DType


def policy_of(layer: Layer) -> Policy | None:
    """The policy of a layer; None for those that take and give what comes.

    Raises:
        UnsupportedError: it is none of Keras's for real numbers.
    """
    if layer.kind.startswith(OPERATION) or layer.kind in _OF_NUMBERS or layer.kind == "InputLayer":
        return None
    result = _computed(layer.config.get("dtype"))
    within = DType.FLOAT32 if layer.kind in _WIDE and result.bits < 32 else result
    return Policy(None if layer.kind in _UNTOUCHED else result, within, result)


def _computed(held: Json) -> DType:
    name = held
    if isinstance(held, dict):
        inner = held.get("config")
        name = inner.get("name") if isinstance(inner, dict) else "?"
        if held.get("class_name") not in ("DTypePolicy", "FloatDTypePolicy", "Policy"):
            raise UnsupportedError(
                f"the policy {held.get('class_name')!r} of its numbers", hint="save the model in float32"
            )
    if isinstance(name, dict | list) or name not in _COMPUTED:
        raise UnsupportedError(f"numbers of the type {name!r}", hint="save the model in float32")
    return _COMPUTED[name]
