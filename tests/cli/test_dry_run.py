"""`xir convert --dry-run` on models of which the reader refuses a part: the rest is checked for the target too."""

from __future__ import annotations

from tests.cli.commands import call

INPUTS = """
input: "data" input_shape { dim: 1 dim: 4 dim: 6 dim: 6 }
input: "rois" input_shape { dim: 3 dim: 5 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 2 kernel_size: 3 } }
"""
ODD = """
layer { name: "odd" type: "Oddity" bottom: "c" top: "f" }
layer { name: "after" type: "ReLU" bottom: "f" top: "f" }
"""
ALIGN = """
layer { name: "align" type: "ROIAlign" bottom: "c" bottom: "rois" top: "g"
  roi_align_param { pooled_h: 2 pooled_w: 2 aligned: true } }
"""
"""RoiAlign has half-pixel coordinates from opset 16 on."""


def _planned(tmp_path, capsys, text, *options):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    return call(capsys, "convert", path, "-o", tmp_path / "net.onnx", "--dry-run", "--json", *options)


def _problems(done):
    return [(each["kind"], each["layers"]) for each in done.document["error"]["problems"]]


def test_both_the_readers_and_the_targets_refusals_are_told(tmp_path, capsys):
    done = _planned(tmp_path, capsys, INPUTS + ODD + ALIGN, "--opset", "11")
    assert done.code == 4
    assert _problems(done) == [("Oddity", ["odd"]), ("ROIAlign", ["align"])]
    assert done.document["error"]["problems"][1]["hint"] == "needs opset >= 16: add --opset 16"


def test_the_readers_alone_where_the_rest_is_supported(tmp_path, capsys):
    done = _planned(tmp_path, capsys, INPUTS + ODD + ALIGN, "--opset", "16")
    assert _problems(done) == [("Oddity", ["odd"])]
    assert done.document["error"]["message"] == "1 of 5 layers is not supported"


def test_the_targets_alone_where_everything_is_read(tmp_path, capsys):
    done = _planned(tmp_path, capsys, INPUTS + ALIGN, "--opset", "11")
    assert _problems(done) == [("ROIAlign", ["align"])]


def test_nothing_but_refused_layers(tmp_path, capsys):
    done = _planned(tmp_path, capsys, INPUTS.split("layer")[0] + ODD.replace('"c"', '"data"'), "--opset", "11")
    assert _problems(done) == [("Oddity", ["odd"])]


def test_for_a_format_that_takes_everything(tmp_path, capsys):
    path = tmp_path / "net.prototxt"
    path.write_text(INPUTS + ODD + ALIGN)
    done = call(capsys, "convert", path, "-o", tmp_path / "net.xir", "--dry-run", "--json")
    assert _problems(done) == [("Oddity", ["odd"])]
