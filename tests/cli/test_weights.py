"""Files of weights on the command line: listed, written as safetensors, and no models."""

from __future__ import annotations

import pytest
import safetensors.numpy

from tests.cli.commands import call, small
from tests.frontends.torch.pickles.checkpoints import floats, storage, tensor, zip_bytes
from xir.errors import UsageError
from xir_cli.weights import bytes_of

SIX = floats(6)
AT = storage("0", SIX)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = {"conv.weight": tensor(AT, (2, 3)), "tied": tensor(AT, (2, 3))}
    (tmp_path / "a.pth").write_bytes(
        zip_bytes({"epoch": 3, "model": model, "optimizer": {"m": tensor(AT, (1,))}}, {"0": SIX})
    )
    return "a.pth"


def test_tensors_are_listed(weights, capsys):
    done = call(capsys, "inspect", weights)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "pytorch  a.pth",
        "value   epoch: 3",
        "",
        "tensor             type  shape   bytes",
        "-----------------  ----  ------  -----  -------------------",
        "model.conv.weight  f32   [2, 3]     24",
        "model.tied         f32   [2, 3]     24  = model.conv.weight",
        "optimizer.m        f32   [1]         4",
        "",
        "3 tensors, 7 parameters (28B), in model, optimizer",
    ]


def test_tensors_as_a_document(weights, capsys):
    document = call(capsys, "inspect", weights, "--json").document
    assert document["tensors"][1] == {
        "name": "model.tied", "type": "f32", "shape": [2, 3], "bytes": 24, "same_as": "model.conv.weight",
    }  # fmt: skip
    assert (document["values"], document["bytes"], document["tables"]) == ({"epoch": "3"}, 28, ["model", "optimizer"])


def test_weights_become_safetensors(weights, capsys):
    done = call(capsys, "convert", weights, "-o", "a.safetensors")
    assert done.code == 0
    assert done.out == "a.safetensors: 2 tensors, 24B\n"
    assert "not those of optimizer; --table '' takes all" in done.err
    assert "stored once, as other names of the same elements: tied" in done.err
    assert list(safetensors.numpy.load_file("a.safetensors")) == ["conv.weight"]


def test_weights_in_several_files(weights, capsys):
    done = call(capsys, "convert", weights, "-o", "a.safetensors", "--table", "", "--shard", "24B")
    assert done.code == 0
    assert done.out.splitlines()[0] == "a.safetensors.index.json: 3 tensors, 28B"
    assert call(capsys, "inspect", "a.safetensors.index.json").code == 0


@pytest.mark.parametrize(
    "command", ["run", "convert -o b.onnx", "optimize -o b.onnx", "inspect --svg a.svg", "profile"]
)
def test_weights_are_no_model(weights, capsys, command):
    name, *rest = command.split()
    done = call(capsys, name, weights, *rest)
    assert done.code == 3
    assert "error XIR-E303: a.pth: holds weights and no graph (a checkpoint of PyTorch)" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-o", "a.safetensors", "--opset", "13"), "--opset is for models"),
        (("-o", "a.safetensors", "--dry-run"), "--dry-run is for models"),
        (("-o", "a.safetensors", "--table", "x"), "there is no tensor in 'x'"),
        (("-o", "a.safetensors", "--shard", "big"), "big is no size"),
        (("-o", "a.pth"), "is the file that is read"),
        (("--out-dir", "b", "--shard", "5GB"), "--table and --shard are for one file of weights"),
    ],
)
def test_what_says_nothing_of_weights_is_refused(weights, capsys, arguments, told):
    done = call(capsys, "convert", weights, *arguments)
    assert done.code == 2
    assert told in done.err


def test_options_of_weights_are_none_of_models(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--shard", "5GB")
    assert done.code == 2
    assert "--table and --shard are for one file of weights" in done.err


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("24B", 24), ("5GB", 5 * 10**9), ("5g", 5 * 10**9), ("500MiB", 500 << 20), ("1 k", None), ("0", None)],
)
def test_sizes(text, size):
    if size is None:
        with pytest.raises(UsageError):
            bytes_of(text)
    else:
        assert bytes_of(text) == size


def test_a_model_is_no_file_of_weights(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.safetensors")
    assert done.code == 3
    assert "holds no weights that xir reads" in done.err
