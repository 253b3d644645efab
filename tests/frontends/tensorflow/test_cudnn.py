"""Recurrent layers of cuDNN against tf_keras's layers with the same weights (`record_cudnn.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xir
from tests.frontends.tensorflow.cases import Case, Fixed
from tests.frontends.tensorflow.graphs import write
from tests.frontends.tensorflow.record_cudnn import CASES, FIXTURE, UNITS
from xir.errors import XirError

RECORDED = np.load(FIXTURE)


def held(name: str, key: str) -> np.ndarray:
    return RECORDED[f"{name}/{key}"]


def operands(name: str, lengths: list[int] | None, batch_first: bool) -> tuple[np.ndarray | Fixed, ...]:
    """What the operator is called with: x [T, N, I] unless the batch comes first."""
    is_lstm = name.startswith("lstm")
    x, h = held(name, "x"), held(name, "h")
    c = held(name, "c") if is_lstm else np.zeros((), np.float32)
    x, h = (x, h.swapaxes(0, 1)) if batch_first else (x.swapaxes(0, 1), h)
    c = c.swapaxes(0, 1) if is_lstm and batch_first else c
    given = (np.ascontiguousarray(x), np.ascontiguousarray(h), np.ascontiguousarray(c), Fixed(held(name, "params")))
    return given if lengths is None else (*given, np.array(lengths, np.int32))


def run(case: Case, folder: Path) -> list[np.ndarray]:
    path = write(folder, *case.graph())
    return list(xir.run(xir.load(path, outputs=case.names()), case.feeds()).values())


def case(name: str, kind: str = "CudnnRNN", *, lengths: list[int] | None = None, **attributes: object) -> Case:
    mode, ways, _ = CASES[name]
    told = {"rnn_mode": mode, "direction": "bidirectional" if ways == 2 else "unidirectional", **attributes}
    outputs = (0, 1, 2) if mode == "lstm" else (0, 1)
    return Case(name, kind, operands(name, lengths, attributes.get("time_major") is False), told, outputs)


@pytest.mark.parametrize("name", list(CASES))
def test_layers(name: str, tmp_path: Path) -> None:
    found = run(case(name), tmp_path)
    wanted = [held(name, "y").swapaxes(0, 1), held(name, "last_h")]
    wanted += [held(name, "last_c")] if name.startswith("lstm") else []
    for each, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(each, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm_2_2", "gru_1_1"])
def test_the_third_version_may_have_the_batch_first(name: str, tmp_path: Path) -> None:
    found = run(case(name, "CudnnRNNV3", lengths=[4, 4], time_major=False), tmp_path)
    np.testing.assert_allclose(found[0], held(name, "y"), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], held(name, "last_h").swapaxes(0, 1), rtol=1e-5, atol=1e-6)


def test_steps_behind_the_end_of_a_sequence_are_0(tmp_path: Path) -> None:
    y, last, _ = run(case("lstm_1_1", "CudnnRNNV3", lengths=[4, 2]), tmp_path)
    assert not y[2:, 1].any()
    np.testing.assert_allclose(y[:2, 1], held("lstm_1_1", "y")[1, :2], rtol=1e-5)
    np.testing.assert_allclose(last[0, 1], y[1, 1], rtol=1e-6)


def test_what_is_left_of_a_gru_has_no_cells(tmp_path: Path) -> None:
    whole = case("gru_1_1", "CudnnRNNV2")
    found = run(Case(whole.name, whole.kind, whole.operands, whole.attributes, (0, 2)), tmp_path)
    assert found[1].shape == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_mode": "skip_input"}, "do not multiply their input"),
        ({"dropout": 0.5}, "dropout"),
        ({"direction": "bidirectional"}, "none of layers with 2 directions"),
        ({"rnn_mode": "gru"}, "weights, where the layers have"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(XirError, match=message):
        run(case("lstm_1_1", **changes), tmp_path)


def test_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(XirError, match="projections"):
        run(case("lstm_1_1", "CudnnRNNV3", lengths=[4, 4], num_proj=1), tmp_path)
    whole = case("lstm_1_1", input_mode="auto_select")
    rest = whole.operands[1:]
    narrow = np.zeros((4, 2, UNITS), np.float32)
    with pytest.raises(XirError, match="do not multiply"):
        run(Case(whole.name, whole.kind, (narrow, *rest), whole.attributes), tmp_path)
    open_sizes = [line.replace("dim { size: 3 }", "dim { size: -1 }") for line in whole.graph()]
    with pytest.raises(XirError, match="not known before the run"):
        xir.load(write(tmp_path, *open_sizes))
