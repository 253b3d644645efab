"""Every example of every operator as a module: its text without PyTorch, its results with it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.ops.cases import Case, all_cases
from tests.ops.test_table import graph_of
from xir.backends.export.torch import export_module
from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir.reference import run
from xir.verification import TorchRunner, has_torch
from xir.verification._child import Result

CASES: dict[str, list[Case]] = {}
for each in all_cases():
    CASES.setdefault(each.op.name, []).append(each)

WITHOUT = frozenset(
    (
        *(
            "count_ngrams",
            "example_feature",
            "image_decoder",
            "lookup",
            "mel_weight_matrix",
            "number_to_text",
            "regex_full_match",
        ),
        *("regex_replace", "resample", "roi_align", "roi_pool", "string_case", "string_concat", "string_hash"),
        *("string_join", "string_length", "string_normalize", "string_pieces", "string_split", "string_strip"),
        *("substring", "svm_classifier", "text_to_number", "tokenize"),
    )
)
"""Operators of which no example has a form; the list may only shrink."""

REFUSED = {
    "affine_grid": (1, "size is computed at run time"),
    "center_crop_pad": (1, "size is computed at run time"),
    "cosine_window": (1, "only when its points are known before the run"),
    "cumprod": (1, "products without the element itself"),
    "dft": (2, "only when length and axis are known before the run"),
    "div": (1, "PyTorch divides no u64"),
    "fold": (1, "size is computed at run time"),
    "max_pool": (1, "a pool of integers"),
    "max_pool_with_indices": (2, "places of a pool with uneven padding"),
    "mod": (2, "PyTorch divides no u64"),
    "one_hot_categories": (1, "an error for unknown categories"),
    "shift_right": (1, "PyTorch moves no bits of u64"),
    "stft": (1, "only when step and length are known before the run"),
}
"""{operator: how many of its examples have no form, and why}; the table may only shrink."""

TYPELESS = frozenset(
    f"PyTorch has no elements of {name}" for name in ("str", "i2", "u2", "i4", "u4", "f4e2m1", "f6e2m3", "f6e3m2")
)
"""Why examples of other element types have no form."""

DRAWN = frozenset(("bernoulli", "dropout", "multinomial", "random_normal", "random_uniform"))
"""Operators whose results are drawn: PyTorch draws others."""

HALF = 4e-3
"""The same of f16, which keeps three bits more than bf16."""
TOLERANCE = {1: 0.2, 2: 2e-2, 4: 1e-4, 8: 1e-7, 16: 1e-7}
"""Bytes of an element -> relative tolerance: f8 and f16 round once or twice, f32 sums go in another order."""


@pytest.mark.parametrize("name", CASES)
def test_every_operator_is_said(name: str, tmp_path: Path) -> None:
    refused: list[str] = []
    for case in CASES[name]:
        graph, _ = graph_of(case)
        try:
            export_module(graph, tmp_path / "net.py")
        except UnsupportedError as error:
            refused.append(error.problems[0].reason)
            continue
        ast.parse((tmp_path / "net.py").read_text("ascii"))
    if name in WITHOUT:
        assert len(refused) == len(CASES[name])
        return
    told = [reason for reason in refused if reason not in TYPELESS]
    count, why = REFUSED.get(name, (0, ""))
    assert len(told) == count
    assert all(why in reason for reason in told)


@pytest.mark.skipif(not has_torch(), reason="PyTorch is not installed")
@pytest.mark.parametrize("name", [name for name in CASES if name not in WITHOUT])
def test_pytorch_computes_the_same(name: str, tmp_path: Path) -> None:
    from xir.verification._torch import opened, result_of, tensor_of

    for number, case in enumerate(CASES[name]):
        path = tmp_path / f"net{number}.py"
        graph, feeds = graph_of(case)
        try:
            export_module(graph, path)
        except UnsupportedError:
            continue
        net = opened(str(path))
        made: Any = net(*(tensor_of(feeds[each]) for each in graph.input_names))
        results = [result_of(each) for each in (cast("tuple[Any, ...]", made) if isinstance(made, tuple) else (made,))]
        if name in DRAWN:
            continue
        wanted = list(run(graph, feeds).values())
        assert len(results) == len(wanted)
        for one, other in zip(results, wanted, strict=True):
            close(one, other, str(case))


def close(found: Result, wanted: Result | Array, what: str) -> None:
    if isinstance(found, list) or isinstance(wanted, list):
        assert isinstance(found, list), what
        assert isinstance(wanted, list), what
        for one, other in zip(found, wanted, strict=True):
            close(one, other, what)
        return
    if not isinstance(found, np.ndarray):
        assert (found, wanted) == (None, None), what
        return
    array = np.asarray(wanted)
    assert (found.dtype, found.shape) == (array.dtype, array.shape), what
    if array.dtype.kind in "iub":
        assert np.array_equal(found, array), what
        return
    wide = np.complex128 if array.dtype.kind == "c" else np.float64
    rtol = HALF if array.dtype == np.float16 else TOLERANCE[array.dtype.itemsize]
    np.testing.assert_allclose(found.astype(wide), array.astype(wide), rtol=rtol, atol=rtol / 10, err_msg=what)


@pytest.mark.skipif(not has_torch(), reason="PyTorch is not installed")
def test_the_runner_runs_it_in_a_process_of_its_own(tmp_path: Path) -> None:
    (case,) = CASES["matmul"][:1]
    graph, feeds = graph_of(case)
    export_module(graph, tmp_path / "net.py")
    runner = TorchRunner(str(tmp_path / "net.py"))
    assert list(runner.input_names) == list(graph.input_names)
    close(runner.run(feeds)["y0"], run(graph, feeds)["y0"], str(case))
