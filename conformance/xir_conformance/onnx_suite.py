"""The official backend suite of the installed onnx, collected once into a folder of the user's cache."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from typing import Final, cast

import numpy as np
import onnx
from onnx import ModelProto
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

from xir.files import read_text
from xir_conformance.cases import Case, DataSet, operators_of, read_data_sets, read_model, write_case
from xir_conformance.known import read_known
from xir_conformance.suites import Suite

KINDS: Final = ("node", "simple", "real", "pytorch-operator", "pytorch-converted")
"""The groups of onnx.backend.test.runner, in this order."""

_LAYOUT: Final = 1
"""The number of the cache's layout; a new one leaves old folders alone."""


def cache_folder() -> str:
    """Where collected suites lie: `XIR_CONFORMANCE_CACHE`, else xir's folder in the user's cache (XDG)."""
    chosen = os.environ.get("XIR_CONFORMANCE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return chosen or os.path.join(base, "xir", "conformance")


def onnx_suite() -> Suite:
    """The suite of the installed onnx; cases of ImageDecoder are there where Pillow is.

    The arrays of many cases are made by NumPy's generators while they are collected, so its version counts too.

    Raises:
        FileError: the cache cannot be read.
    """
    pictures = "" if find_spec("PIL") else "-without-pillow"
    version = f"onnx-{onnx.__version__}-numpy-{np.__version__}{pictures}"
    folder = os.path.join(cache_folder(), f"{version}-{_LAYOUT}")
    index = os.path.join(folder, "index.json")
    if not os.path.isfile(index):
        _collect_into(folder)
    rows: list[dict[str, object]] = json.loads(read_text(index))
    return Suite("onnx", version, tuple(_case(folder, row) for row in rows), read_known())


def _case(folder: str, row: dict[str, object]) -> Case:
    name, kind = str(row["name"]), str(row["kind"])
    operators = tuple(str(each) for each in cast("list[object]", row["operators"]))
    place = os.path.join(folder, kind, name)
    return Case(name, kind, place, operators, float(str(row["rtol"])), float(str(row["atol"])))


def _collect_into(folder: str) -> None:
    """Writes every case beside the folder and moves all of it there at once; who comes second leaves the first."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    work = tempfile.mkdtemp(dir=os.path.dirname(folder), prefix=".xir-")
    try:
        rows: list[dict[str, object]] = []
        for case, model, sets in _collected():
            place = os.path.join(work, case.kind, case.name)
            os.makedirs(place)
            write_case(place, model, sets, case.rtol, case.atol)
            told = {"name": case.name, "kind": case.kind, "operators": list(operators_of(model))}
            rows.append({**told, "rtol": case.rtol, "atol": case.atol})
        with open(os.path.join(work, "index.json"), "w", encoding="utf-8") as file:
            json.dump(rows, file)
        with suppress(OSError):
            os.rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _collected() -> Iterator[tuple[TestCase, ModelProto, list[DataSet]]]:
    for kind in KINDS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cases = load_model_tests(kind=kind)
        for case in sorted(cases, key=lambda each: each.name):
            if case.model_dir is not None:
                found = Case(case.name, kind, case.model_dir, ())
                yield case, read_model(found.model), list(read_data_sets(found))
            elif case.model is not None:
                yield case, case.model, [DataSet(tuple(ins), tuple(outs)) for ins, outs in case.data_sets or ()]
            else:
                yield case, *_light(case)


def _light(case: TestCase) -> tuple[ModelProto, list[DataSet]]:
    """A `real` case: a model that onnx brings without weights, fed with made-up numbers (Runner._add_model_test)."""
    path = os.path.join(os.path.dirname(os.path.dirname(onnx.__file__)), *str(case.url).split("/"))
    model = read_model(path)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [
        Runner.generate_dummy_data(info, seed=0, name=case.model_name, random=False)
        for info in model.graph.input
        if info.name not in weights
    ]
    outputs: list[object] = []
    for index in range(len(model.graph.output)):
        tensor = onnx.TensorProto()
        with open(f"{os.path.splitext(path)[0]}_output_{index}.pb", "rb") as file:
            tensor.ParseFromString(file.read())
        outputs.append(tensor)
    return model, [DataSet(tuple(inputs), tuple(outputs))]
