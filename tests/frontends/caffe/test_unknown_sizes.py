"""Sizes that are told only when the model runs: taken where they decide nothing, refused where they do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.caffe.nets import declare, one
from xir.frontends.caffe.load import load_caffe
from xir.frontends.options import LoadOptions
from xir.ir.dims import Dim, Symbol
from xir.ir.graph import Graph
from xir.ir.types import DType, TensorType


def _wide(tmp_path: Path, body: str, width: Dim) -> Graph:
    inputs = {"data": TensorType(DType.FLOAT32, (1, 2, 8, width))}
    path = tmp_path / "net.prototxt"
    path.write_text(declare({"data": (1, 2, 8, 8)}) + one("Pooling", f"pooling_param {{ {body} }}"))
    return load_caffe(str(path), LoadOptions(inputs=inputs)).graph


@pytest.mark.parametrize("body", ["kernel_size: 3 pad: 1", "kernel_size: 2 stride: 2 round_mode: FLOOR"])
def test_pooling_of_an_unknown_width(body: str, tmp_path: Path) -> None:
    assert _wide(tmp_path, body, Symbol("W", minimum=8)).outputs[0].rank == 4
