"""`xir convert`: what is written, what is said, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import stat
import subprocess

import pytest

from tests.cli.commands import NET, UNSUPPORTED, call, command_line, environment, small, spawn, unmeasured
from xir.errors import Problem, UnsupportedError
from xir_cli.failures import lines_of
from xir_cli.words import amount, short


def test_three_lines_say_what_was_done(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(tmp_path)
    done = call(capsys, "convert", "small.prototxt", "-o", "small.onnx", "-q")
    assert done.code == 0, done.err
    first, second, third = done.out.splitlines()
    assert first == "caffe  small.prototxt   5 layers, 297 weights"
    assert re.fullmatch(r"onnx   small\.onnx  opset 21, ir 10   \d+ nodes, 0 transposes", second)
    assert re.fullmatch(
        r"verified on 3 random inputs: max \|d\| \d\.\de[-+]\d\d, max rel \d\.\de[-+]\d\d  "
        r"\(reference vs onnxruntime [\d.]+\)",
        third,
    )
    assert done.err == ""


def test_all_unsupported_layers_are_told_at_once(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path, UNSUPPORTED), "-o", tmp_path / "a.onnx")
    assert done.code == 4
    lines = done.err.splitlines()
    assert lines[0].startswith("error XIR-E401: ")
    assert re.match(r"  Oddity      x2  odd1, odd2   \S", lines[1])
    assert re.match(r"  Strangeness x1  strange      \S", lines[2])
    assert lines[-1] == "Nothing written."
    assert not (tmp_path / "a.onnx").exists()


def test_the_table_of_unsupported_layers_reads_as_it_was_drawn():
    error = UnsupportedError(
        "3 of 214 nodes are not supported: and more words",
        problems=(
            Problem("Round", ("pre/Round", "pre/Round_1"), "too old", "needs opset >= 11: add --opset 11"),
            Problem("CTCBeamSearchDecoder", ("decoder/ctc",), "no ONNX form"),
        ),
    )
    assert lines_of(error) == [
        "3 of 214 nodes are not supported",
        "  Round                x2  pre/Round, pre/Round_1   needs opset >= 11: add --opset 11",
        "  CTCBeamSearchDecoder x1  decoder/ctc              no ONNX form",
    ]


def test_numbers_in_words():
    assert [short(n) for n in (2.1e-2, 1e-4, 0.0, 2.7)] == ["2.1e-2", "1e-4", "0", "2.7"]
    assert [amount(n) for n in (25_600_000, 980, 2.2e9)] == ["25.6M", "980", "2.2G"]


def keys(value: object, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return set()
    return {prefix + key for key in value} | {k for key, item in value.items() for k in keys(item, f"{prefix}{key}.")}


def test_the_document_keeps_its_shape(tmp_path, capsys):
    document = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--json").document
    assert {key for key in keys(document) if key.count(".") < 2 and not key.startswith("export.")} == {
        "version", "command", "source", "source.format", "source.files", "source.layers", "source.parameters",
        "notes", "export", "transposes", "transposes.read", "transposes.left", "transposes.places", "certificate",
        "certificate.version", "certificate.a", "certificate.b",
        "certificate.runtimes", "certificate.passed", "certificate.seeds", "certificate.rtol", "certificate.atol",
        "certificate.outputs", "certificate.layers", "certificate.unpaired", "certificate.first_divergence",
        "certificate.constant_outputs", "certificate.random_outputs", "certificate.random_weights",
        "certificate.versions", "certificate.nodes",
    }  # fmt: skip
    assert {"python", "numpy", "onnx", "onnxruntime"} <= document["certificate"]["versions"].keys()
    assert {"path", "opset", "ir_version", "nodes", "transposes", "layers"} <= document["export"].keys()


def test_an_error_is_a_document_too(tmp_path, capsys):
    done = call(capsys, "--json", "convert", small(tmp_path, UNSUPPORTED), "-o", tmp_path / "a.onnx")
    error = done.document["error"]
    assert done.err == ""
    assert error["code"] == "XIR-E401"
    assert [problem["count"] for problem in error["problems"]] == [2, 1]


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--dry-run")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("everything is supported")
    assert [path.name for path in tmp_path.iterdir()] == ["small.prototxt"]


def test_a_dry_run_tells_what_the_target_lacks(tmp_path, capsys):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--dry-run", "--opset", "2")
    assert done.code == 2
    assert "opset 2 is not written" in done.err


def test_certificate_and_map(tmp_path, capsys):
    proof, places = tmp_path / "proof.json", tmp_path / "map.json"
    call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--certificate", proof, "--map", places)
    assert json.loads(proof.read_text())["passed"] is True
    layers = json.loads(places.read_text())["layers"]
    assert "conv1" in layers
    assert all(entry["nodes"] for entry in layers.values())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "small.prototxt"), "is the file that is read"),
        (("-o", "a.onnx", "--map", "a.onnx"), "are one file"),
        (("-o", "a.onnx", "--out-dir", "b"), "is needed"),
        ((), "is needed"),
        (("other.prototxt", "-o", "a.onnx"), "-o names one file for 2 models"),
        (("--out-dir", "b", "--map", "m"), "are for one model"),
        (("-o", "a.onnx", "--certificate", "c", "--no-verify"), "--certificate needs the verification"),
        (("-o", "a.txt"), "no format that xir writes"),
        (("-o", "a.onnx", "--input", "data"), "'data' is given none"),
        (("-o", "a.onnx", "--input", "data=f32"), "is no tensor type"),
        (("-o", "a.onnx", "--mean", "m"), "--mean says nothing without --preprocess"),
        (("-o", "a.onnx", "--rename-inputs", "no=x"), "the model has no input 'no'"),
        (("-o", "a.onnx", "--rename-inputs", "data=prob"), "is empty or taken"),
        (("-o", "a.onnx", "--inputs-as-nchw", "no"), "the model has no input 'no'"),
        (("-o", "a.onnx", "--outputs-as-nchw", "no"), "the model has no output 'no'"),
        (("-o", "a.xir", "--opset", "17"), "is for ONNX"),
    ],
)
def test_wrong_wishes_are_refused_before_any_work(tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    small(tmp_path)
    small(tmp_path, name="other.prototxt")
    done = call(capsys, "convert", "small.prototxt", *arguments)
    assert done.code == 2
    assert said in done.err
    assert sorted(os.listdir(tmp_path)) == ["other.prototxt", "small.prototxt"]


def test_renamed_and_turned_inputs(tmp_path, capsys):
    nhwc = tmp_path / "nhwc.onnx"
    call(capsys, "convert", small(tmp_path), "-o", nhwc, "--rename-inputs", "data=picture")
    turned = tmp_path / "turned.onnx"
    done = call(capsys, "convert", nhwc, "-o", turned, "--inputs-as-nchw", "picture")
    assert done.code == 0, done.err
    assert "layout  1 transpose read, 1 left: 1 behind input 'picture'" in done.out.splitlines()
    document = call(capsys, "inspect", turned, "--json").document
    assert document["inputs"] == [{"name": "picture", "type": "f32[1,8,3,8]"}]


def test_outputs_are_turned_too(tmp_path, capsys):
    conv = """layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 1
  weight_filler { type: "xavier" } } }"""
    turned = tmp_path / "turned.onnx"
    done = call(
        capsys, "convert", small(tmp_path, conv), "-o", turned, "--outputs-as-nchw", "conv", "--inputs-as-nchw", "data",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.document["transposes"] == {
        "read": 2,
        "left": 2,
        "places": [{"edge": "input", "name": "data"}, {"edge": "output", "name": "conv"}],
    }
    assert call(capsys, "inspect", turned, "--json").document["outputs"] == [{"name": "conv", "type": "f32[1,5,2,4]"}]


def test_names_are_kept(tmp_path, capsys):
    """A relu that is fused otherwise, and the result before it, keep their names."""
    onnx = pytest.importorskip("onnx")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Identity", ["x"], ["same"], "first"),
            helper.make_node("Sigmoid", ["same"], ["weight"], "second"),
            helper.make_node("Mul", ["same", "weight"], ["swished"], "third"),
            helper.make_node("Relu", ["swished"], ["y"], "fourth"),
        ],
        "g",
        [helper.make_tensor_value_info("x", f32, [2, 3])],
        [helper.make_tensor_value_info("y", f32, [2, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "a.onnx")
    done = call(capsys, "convert", tmp_path / "a.onnx", "-o", tmp_path / "b.onnx", "--keep-names")
    assert done.code == 0, done.err
    made = onnx.load(tmp_path / "b.onnx").graph
    assert {"weight", "swished", "y"} <= {name for node in made.node for name in node.output}
    assert {"second", "third", "fourth"} <= {node.name for node in made.node}


@pytest.mark.parametrize("words", [("--level", "2"), ("--fast-math",)])
def test_names_are_not_kept_by_what_fuses(tmp_path, capsys, words):
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "b.onnx", "--keep-names", *words)
    assert done.code == 2
    assert "--keep-names" in done.err


def test_the_version_of_the_file_format(tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    done = call(capsys, "convert", small(tmp_path), "-o", tmp_path / "a.onnx", "--opset", "13", "--ir-version", "8")
    assert done.code == 0, done.err
    assert onnx.load(tmp_path / "a.onnx").ir_version == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--opset", "29"), "opset 29 is not written"),
        (("--target", "nonsense"), "unknown target 'nonsense'"),
        (("--target", "ort==1.31", "--opset", "28"), "takes opsets up to"),
        (("--ir-version", "99"), "IR version 99"),
        (("--to", "xir", "--opset", "21"), "is for ONNX"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_versions_are_checked_before_the_model_is_read(tmp_path, capsys, words, said, more):
    done = call(capsys, "convert", tmp_path / "absent.onnx", "-o", tmp_path / "a.onnx", *words, *more)
    assert done.code == 2
    assert said in done.err


def test_outputs_are_chosen(tmp_path, capsys):
    target = tmp_path / "a.onnx"
    call(capsys, "convert", small(tmp_path), "-o", target, "--output", "fc")
    assert [o["name"] for o in call(capsys, "inspect", target, "--json").document["outputs"]] == ["fc"]


def test_several_models(tmp_path, capsys):
    for name in ("a", "b"):
        small(tmp_path, name=f"{name}.prototxt")
    done = call(capsys, "convert", tmp_path / "*.prototxt", "--out-dir", tmp_path / "out", "-q")
    assert done.code == 0, done.err
    assert sorted(os.listdir(tmp_path / "out")) == ["a.onnx", "b.onnx"]
    assert done.out.splitlines()[-1] == "2 converted, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    ("words", "left"), [((), (1, 1)), (("--keep-going",), (1, 0)), (("--keep-going", "-j", "2"), (1, 0))]
)
def test_a_failure_among_several(tmp_path, capsys, words, left):
    small(tmp_path, UNSUPPORTED, "a.prototxt")
    small(tmp_path, name="b.prototxt")
    done = call(capsys, "--json", "convert", tmp_path / "*.prototxt", "--out-dir", tmp_path / "out", *words)
    assert done.code == 4
    assert (done.document["failed"], done.document["skipped"]) == left
    assert done.document["conversions"][0]["error"]["code"] == "XIR-E401"


def test_two_models_that_would_become_one_file(tmp_path, capsys):
    (tmp_path / "x").mkdir()
    done = call(capsys, "convert", small(tmp_path), small(tmp_path / "x"), "--out-dir", tmp_path / "out")
    assert done.code == 2
    assert "would both become" in done.err


def test_a_pattern_that_fits_nothing(tmp_path, capsys):
    done = call(capsys, "convert", tmp_path / "*.nothing", "--out-dir", tmp_path / "out")
    assert done.code == 9
    assert "no file fits the pattern" in done.err


def test_a_verification_that_is_too_large_is_refused_before_it_starts(tmp_path, capsys):
    text = (
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 90000 dim: 90000 } } }\n'
        'layer { name: "act" type: "TanH" bottom: "data" top: "out" }'
    )
    done = call(capsys, "convert", small(tmp_path, text), "-o", tmp_path / "a.onnx")
    assert done.code == 8
    assert "--no-verify" in done.err
    assert not (tmp_path / "a.onnx").exists()


def test_a_mismatch_writes_nothing_and_keeps_the_certificate(tmp_path, capsys):
    target, proof = tmp_path / "a.onnx", tmp_path / "proof.json"
    done = call(capsys, "convert", small(tmp_path), "-o", target, "--certificate", proof, "--rtol", "0", "--atol", "0")
    if done.code == 0:
        pytest.skip("both runtimes agree to the last bit here")
    assert done.code == 6
    assert done.err.splitlines()[-1] == f"Written: {proof}; nothing else."
    assert not target.exists()
    assert json.loads(proof.read_text())["passed"] is False


def test_the_old_files_permissions_stay(tmp_path, capsys):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    target.chmod(0o640)
    call(capsys, "convert", small(tmp_path), "-o", target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_bytes() != b"old"


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """RLIMIT_FSIZE stands in for the disk: the system refuses to write more bytes."""
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    net = small(tmp_path, NET.replace("num_output: 4", "num_output: 40"))

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))

    done = subprocess.run(
        command_line("convert", net, "-o", target),
        env=unmeasured(environment(PYTHONDONTWRITEBYTECODE="1")),
        preexec_fn=small_disk,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    assert target.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "small.prototxt"]


def test_the_same_bytes_for_every_hash_seed_and_folder(tmp_path):
    digests = set()
    for seed in ("0", "1"):
        folder = tmp_path / f"folder{seed}"
        folder.mkdir()
        small(folder)
        done = spawn("convert", "small.prototxt", "-o", "a.onnx", cwd=folder, PYTHONHASHSEED=seed)
        assert done.code == 0, done.err
        digests.add(hashlib.sha256((folder / "a.onnx").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_plain_lines_tell_the_progress_where_no_terminal_is(tmp_path, capsys):
    done = call(capsys, "-v", "convert", small(tmp_path), "-o", tmp_path / "a.onnx")
    steps = [line.split(" small")[0] for line in done.err.splitlines() if not line.startswith("note")]
    assert steps == ["reading", "optimizing", "writing", "verifying 1/3", "verifying 2/3", "verifying 3/3"]


def told(tmp_path) -> str:
    onnx = pytest.importorskip("onnx")
    helper, f32 = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, f32, [2, 32]) for name in "xy"]
    weight = helper.make_tensor("w", f32, [32, 32], [0.01 * number for number in range(1024)])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "m")], "g", values[:1], values[1:], [weight]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    helper.set_model_props(model, {"names": "{0: 'cat'}", "stride": "32"})
    onnx.save(model, tmp_path / "told.onnx")
    return str(tmp_path / "told.onnx")


@pytest.mark.parametrize(
    "words", [("convert",), ("optimize",), ("convert", "--dtype", "f16"), ("quantize", "--mode", "weights")]
)
def test_metadata_is_kept(tmp_path, capsys, words):
    """Labels and sizes that a detector's program reads stand there."""
    onnx = pytest.importorskip("onnx")
    command, *more = words
    done = call(capsys, command, told(tmp_path), "-o", tmp_path / "b.onnx", *more)
    assert done.code == 0, done.err
    props = {each.key: each.value for each in onnx.load(tmp_path / "b.onnx").metadata_props}
    assert props == {"names": "{0: 'cat'}", "stride": "32"}


def test_metadata_that_has_no_place_is_named(tmp_path, capsys):
    done = call(capsys, "convert", told(tmp_path), "-o", tmp_path / "b.xir")
    assert "the model's metadata (names, stride) has no place in a .xir file" in done.err


@pytest.mark.parametrize(("word", "name"), [("pb", "net.pb"), ("tflite", "net.tflite"), ("py", "net.py")])
def test_a_format_is_told_by_its_ending(capsys, tmp_path, word, name):
    small(tmp_path, name="net.prototxt")
    done = call(capsys, "convert", tmp_path / "*.prototxt", "--to", word, "--out-dir", tmp_path / "out", "-q")
    assert done.code == 0
    assert name in os.listdir(tmp_path / "out")
