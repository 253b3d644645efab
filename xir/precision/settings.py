"""What a person may choose of a quantisation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from numpy.typing import ArrayLike

from xir.errors import UsageError
from xir.ir.graph import Graph
from xir.ir.types import DType
from xir.precision.weights import Overflow

Mode: TypeAlias = Literal["static", "dynamic", "weights"]
Method: TypeAlias = Literal["minmax", "percentile", "entropy", "mse"]
WeightType: TypeAlias = Literal["int8", "int4"]

MAX_ERRORS: Mapping[str, float] = {"int8": 0.1, "int4": 0.25}
"""A layer whose own result moves by more than this part of its size (20 dB, 12 dB) stays in float unless told
otherwise: eight bits move it by 1 to 3 hundredths where the ranges fit, four bits by 5 to 12."""

PERCENTILE = 99.999
"""How much of the numbers a percentile range holds (onnxruntime's default, calibrate.py)."""

BLOCK = 32
"""Neighbours that share a scale in 4 bits, as in GGUF's Q4_0; onnxruntime's MatMul4BitsQuantizer takes 16 to 256."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How a conversion makes numbers narrower; see `xir.precision.narrowed`.

    Attributes:
        dtype: `f16` or `bf16`.
        keep_io: inputs and outputs keep their element types.
        keep: operators that stay in f32 instead of those of `KEPT`; None for these.
        keep_layers: layers that stay in f32 as well.
        overflow: what becomes of weights that are too large.
        samples: gives samples for the model that was read; None where none are given.
    """

    dtype: str
    keep_io: bool = False
    keep: tuple[str, ...] | None = None
    keep_layers: tuple[str, ...] = ()
    overflow: Overflow = "keep"
    samples: Callable[[Graph], Iterable[Mapping[str, ArrayLike]]] | None = None


@dataclass(frozen=True, slots=True)
class Quantization:
    """How to quantise.

    Attributes:
        mode: `static` (ranges from calibration, QDQ), `dynamic` (ranges at run time), or `weights` alone.
        weights: int8, or int4 (weights alone).
        per_channel: a scale for each output channel instead of one for the whole weight.
        symmetric: activations in i8 around 0 instead of u8 with a zero point.
        method: how the range of a value follows from what was seen: all of it (`minmax`), its `percentile`, what keeps
            the most information (`entropy`), or what moves the numbers least (`mse`).
        percentile: for that method, in percent.
        block: neighbours that share a scale in weights alone; 0 gives int8 a scale a channel, and int4 a block of 32.
        exclude: layers of the source that stay in float.
        max_error: layers whose own relative error is beyond this stay in float; None for `MAX_ERRORS`.
        correct_bias: whether the mean shift of each channel is taken out of the biases.
    """

    mode: Mode = "static"
    weights: WeightType = "int8"
    per_channel: bool = True
    symmetric: bool = False
    method: Method = "mse"
    percentile: float = PERCENTILE
    block: int = 0
    exclude: tuple[str, ...] = ()
    max_error: float | None = None
    correct_bias: bool = True

    def __post_init__(self) -> None:
        """Checks what contradicts itself.

        Raises:
            UsageError: if something does.
        """
        for word, known in ((self.mode, Mode), (self.method, Method), (self.weights, WeightType)):
            if word not in get_args(known):
                raise UsageError(f"{word!r} is unknown here", hint=f"choose of {', '.join(get_args(known))}")
        if self.weights == "int4" and self.mode != "weights":
            raise UsageError("int4 is for weights alone", hint="--mode weights --weights int4")
        if self.block and self.mode != "weights":
            raise UsageError("blocks are for weights alone", hint="--mode weights")
        if self.block < 0 or self.block & (self.block - 1) or 0 < self.block < 16:
            raise UsageError(f"a block of {self.block}", hint="a power of two from 16 on, as onnxruntime takes")
        if not 50.0 < self.percentile <= 100.0:
            raise UsageError(f"a percentile of {self.percentile}", hint="between 50 and 100, such as 99.99")
        if self.max_error is not None and not self.max_error > 0:
            raise UsageError(f"a largest error of {self.max_error}", hint="a relative error above 0, such as 0.1")

    @property
    def weight_type(self) -> DType:
        """The element type of weights."""
        return DType.INT4 if self.weights == "int4" else DType.INT8

    @property
    def activation_type(self) -> DType:
        """The element type of what flows between layers."""
        return DType.INT8 if self.symmetric else DType.UINT8

    @property
    def limit(self) -> float:
        """The largest error that a layer may have of its own."""
        return MAX_ERRORS[self.weights] if self.max_error is None else self.max_error

    @property
    def blocks(self) -> int:
        """The block of weights, 0 for none."""
        return self.block or (BLOCK if self.weights == "int4" else 0)
