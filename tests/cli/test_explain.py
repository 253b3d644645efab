"""`xir optimize --explain`: every law in words, and why a near miss was none, as text and as JSON."""

from __future__ import annotations

from tests.cli.commands import call
from xir.passes import passes

SHARED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {
  num_output: 4 kernel_size: 3 } }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "scale1" scale_param { filler { value: 2 } } }
layer { name: "conv2" type: "Convolution" bottom: "data" top: "conv2" convolution_param {
  num_output: 4 kernel_size: 3 } }
layer { name: "scale2" type: "Scale" bottom: "conv2" top: "scale2" scale_param { filler { value: 3 } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { kernel_size: 2 } }
"""

LAWS = {one.name: one.law for each in passes() for one in (each, *each.rules)}


def _explained(tmp_path, capsys, *options):
    path = tmp_path / "shared.prototxt"
    path.write_text(SHARED)
    return call(capsys, "optimize", path, "--explain", *options)


def test_every_law_that_was_applied_is_told_in_words(tmp_path, capsys):
    document = _explained(tmp_path, capsys, "--json").document
    assert document["fired"]["factor_into_layer"] == 1
    for law in document["fired"]:
        assert document["laws"][law] == LAWS[law] != ""


def test_a_near_miss_is_told_with_its_law_its_layer_and_the_reason(tmp_path, capsys):
    document = _explained(tmp_path, capsys, "--json").document
    (miss,) = [each for each in document["misses"] if each["law"] == "factor_into_layer"]
    assert miss["layers"] == ["scale2"]
    assert miss["reason"] != ""
    assert document["laws"]["factor_into_layer"] == LAWS["factor_into_layer"]


def test_the_text_says_the_same(tmp_path, capsys):
    document = _explained(tmp_path, capsys, "--json").document
    lines = _explained(tmp_path, capsys).out.splitlines()
    applied, nearly = lines.index("applied:"), lines.index("nearly applied:")
    for law, times in document["fired"].items():
        at = lines.index(f"  {law}  x{times}")
        assert applied < at < nearly
        assert [line.strip() for line in lines[at + 1 : at + 1 + len(LAWS[law].splitlines())]] == [
            line.strip() for line in LAWS[law].splitlines()
        ]
    for miss in document["misses"]:
        assert any(miss["law"] in line and line.endswith(miss["reason"]) for line in lines[nearly:])


def test_a_law_that_only_nearly_applied_is_told_in_words_once(tmp_path, capsys):
    document = _explained(tmp_path, capsys, "--json").document
    text = _explained(tmp_path, capsys).out
    only = [miss["law"] for miss in document["misses"] if miss["law"] not in document["fired"]]
    for law in dict.fromkeys(only):
        assert text.count(LAWS[law].splitlines()[0]) == 1


def test_fast_math_and_exact_results_contradict_each_other(tmp_path, capsys):
    assert _explained(tmp_path, capsys, "--fast-math").code == 0
    done = _explained(tmp_path, capsys, "--fast-math", "--exact")
    assert done.code != 0
    assert "contradict each other" in done.err


def test_transposes_that_are_left_are_counted(tmp_path, capsys):
    assert _explained(tmp_path, capsys, "--json").document["transposes"] == 0
    assert "0 transposes left" in _explained(tmp_path, capsys).out.splitlines()
