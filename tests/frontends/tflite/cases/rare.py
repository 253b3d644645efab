"""Operators of few files: bits from a state, tables by sparse tensors, sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.frontends.tflite.cases.images import spread
from tests.frontends.tflite.cases.layers import flexible
from tests.frontends.tflite.cases.moving import ints
from tests.frontends.tflite.models import Case, Fed, Held, Out, single

STATE = np.array([0x0123456789ABCDEF, 0xFFFFFFFFFFFFFFFE, 0x13579BDF02468ACE], np.uint64)
"""A key, a counter whose lower half runs over, and what stands behind it."""


def bits(algorithm: str, size: int, dtype: str, shape: tuple[int, ...]) -> Case:
    """Bits of a type."""
    options = {"StablehloRngBitGeneratorOptions": {"algorithm": algorithm}}
    results = [Out("uint64", shape=(size,)), Out(dtype, shape=shape)]
    name = f"{algorithm} {size} {dtype}"
    return single("STABLEHLO_RNG_BIT_GENERATOR", Fed(STATE[:size]), options=options, results=results, name=name)


def sparse(combiner: str, dense: tuple[int, ...]) -> Case:
    """Rows of a table for the places of a sparse tensor, one of them empty."""
    places = np.array([[0, 0], [0, 2], [2, 1], [2, 2]], np.int32)
    if len(dense) != 2:
        places = np.array([[0, 1, 0], [0, 1, 1], [1, 0, 2], [1, 1, 0]], np.int32)
    if len(dense) == 1:
        places = np.arange(4, dtype=np.int32)[:, None]
    operands: list[Any] = [Fed(np.array([1, 3, 0, 2], np.int32)), Held(places), ints(dense)]
    operands += [Fed(np.array([1.0, 2.0, 0.5, 3.0], np.float32)), Held(spread(4, 3, 2))]
    options = {"EmbeddingLookupSparseOptions": {"combiner": combiner}}
    return single("EMBEDDING_LOOKUP_SPARSE", *operands, options=options, name=f"{combiner} {len(dense)}")


def spectrogram(squared: bool, size: int = 11, step: int = 5, samples: int = 40) -> Case:
    """Windows of two channels."""
    options = flexible(window_size=size, stride=step, magnitude_squared=squared)
    feed = Fed(spread(samples, 2))
    return single("CUSTOM:AudioSpectrogram", feed, custom=options, name=f"squared {squared}", tolerance=1e-5)


def cepstrum(rate: Any = None, **given: Any) -> Case:
    """The cepstrum of windows of 129 bins."""
    names = {"upper_frequency_limit": 4000, "lower_frequency_limit": 20}
    names |= {"filterbank_channel_count": 20, "dct_coefficient_count": 13, **given}
    feed = Fed(np.square(spread(2, 3, 129)))
    rate = Held(np.array([16000], np.int32)) if rate is None else rate
    return single("CUSTOM:Mfcc", feed, rate, custom=flexible(**names), tolerance=1e-5)


CASES = (
    bits("THREEFRY", 2, "uint32", (5,)),
    bits("THREEFRY", 2, "int64", (2, 3)),
    bits("PHILOX", 3, "uint64", (3, 3)),
    bits("PHILOX", 2, "int32", (2, 5)),
    bits("DEFAULT", 3, "uint32", (1,)),
    sparse("SUM", (3, 3)),
    sparse("MEAN", (3, 3)),
    sparse("SQRTN", (2, 2, 3)),
    sparse("MEAN", (9,)),
    spectrogram(True),
    spectrogram(False),
    cepstrum(),
)
"""The cases of this family."""

REFUSED = {
    "bits as float32": (bits("PHILOX", 2, "float32", (3,)), "bits as f32"),
    "a state of three numbers": (bits("THREEFRY", 3, "uint32", (3,)), "a state of u64"),
    "windows without samples": (spectrogram(True, samples=8), "windows of 11 samples"),
    "windows on one place": (spectrogram(True, step=0), "0 apart"),
    "no frequencies": (cepstrum(lower_frequency_limit=4000), "frequencies from 4000 to 4000"),
    "more coefficients than channels": (cepstrum(dct_coefficient_count=21), "21 coefficients of 20 channels"),
    "frequencies beyond the spectrum": (cepstrum(upper_frequency_limit=9000), "up to 9000 of 8000.0 hertz"),
    "too many channels": (cepstrum(filterbank_channel_count=2**30), "a table of"),
    "a late rate": (cepstrum(Fed(np.array([16000], np.int32))), "a rate of samples"),
    "a limit that is no number": (cepstrum(upper_frequency_limit=float("inf")), "upper_frequency_limit is inf"),
}
"""{what is wrong: a model, what is told}."""
