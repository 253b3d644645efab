"""The fields of a net beside its layers: done, told, known to be without meaning, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import declare, layer
from xir.errors import UnsupportedError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.caffe.net_fields import with_net_fields
from xir.frontends.caffe.reader import net_from_text
from xir.frontends.options import Loaded, LoadOptions

HEAD = declare({"data": (1, 3, 4, 4)})
RELU = HEAD + layer("r", "ReLU", "data", "r")


def batch_norm(eps: str, more: str = "", fields: str = "") -> str:
    return HEAD + layer("bn", "BatchNorm", "data", "bn", f"batch_norm_param {{ eps: {eps} {more} }} {fields}")


def load(folder: Path, text: str, **options: object) -> Loaded:
    path = folder / "net.prototxt"
    path.write_text(text)
    return load_caffe(str(path), LoadOptions(**options))  # type: ignore[arg-type]


def epsilon(loaded: Loaded) -> object:
    (node,) = (node for node in loaded.graph.nodes if node.op.name == "batch_norm")
    return node.attributes["epsilon"]


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("default_forward_type: FLOAT16\n" + batch_norm("1e-7"), True),
        ("reduce_buckets: 3\n" + batch_norm("1e-7"), True),
        (batch_norm("1e-7", "scale_bias: true"), True),
        (batch_norm("1e-7", "scale_filler { value: 2 }", "forward_type: FLOAT16 backward_type: FLOAT16"), True),
        (batch_norm("1e-7"), False),
        ("reduce_buckets: 3\n" + batch_norm("1e-3"), False),
    ],
)
def test_nvidia_raises_a_small_epsilon(text: str, raised: bool, tmp_path: Path) -> None:
    loaded = load(tmp_path, text)
    wanted = 1e-5 if raised else 1e-3 if "1e-3" in text else 1e-7
    assert np.float32(epsilon(loaded)) == np.float32(wanted)
    assert any("eps of BatchNorm 'bn' is raised to 1e-05" in note for note in loaded.notes) is raised


def test_several_raised_layers_are_counted(tmp_path: Path) -> None:
    second = layer("bn2", "BatchNorm", "bn", "bn2", "batch_norm_param { eps: 0 }") + layer("r", "BatchNorm", "bn2", "r")
    loaded = load(tmp_path, "reduce_buckets: 3\n" + batch_norm("0") + second)
    assert any("'bn' and 1 more is raised" in note for note in loaded.notes)


@pytest.mark.parametrize("field", ["default_forward_type", "default_forward_math"])
def test_another_type_is_told(field: str, tmp_path: Path) -> None:
    notes = load(tmp_path, f"{field}: FLOAT16\n{RELU}").notes
    assert f"the net computes in FLOAT16 ({field}); xir computes it in FLOAT" in notes


def test_layers_of_another_type_are_told(tmp_path: Path) -> None:
    text = HEAD + layer("r", "ReLU", "data", "r", "forward_type: FLOAT16 backward_type: FLOAT16")
    assert "layers r compute in another type (forward_type); xir computes them in FLOAT" in load(tmp_path, text).notes


@pytest.mark.parametrize(
    "field",
    ["force_backward: true", "debug_info: true", 'engine: "MKL2017"', "global_grad_scale: 8", "mem_param { }",
     "default_forward_type: FLOAT", "bn_stats_batch_size: 8", "compile_net_state { }"],
)  # fmt: skip
def test_fields_without_meaning_say_nothing(field: str, tmp_path: Path) -> None:
    assert load(tmp_path, f"{field}\n{RELU}").notes == ()


def test_statistics_of_parts_of_a_batch_are_refused_in_training(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="bn_stats_batch_size"):
        load(tmp_path, f"bn_stats_batch_size: 8\n{RELU}", phase="TRAIN")


def test_a_field_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xir.frontends.caffe.net_fields.WITHOUT_MEANING", ())
    with pytest.raises(UnsupportedError, match="parameters of the net are not understood: debug_info"):
        with_net_fields(net_from_text(f"debug_info: true\n{RELU}"))
