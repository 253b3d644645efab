"""`xir inspect --placement`, `xir profile`, `xir bench`, `xir run --compiled`, `xir verify --runtime cpu`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.cli.commands import call, small
from xir_cli.feeds import read_npz


def hosted(folder):
    """A model of which the host runs a step, as its result's sizes are known only when it has run."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["r"], "relu"), helper.make_node("NonZero", ["r"], ["y"], "places")],
        "hosted",
        [helper.make_tensor_value_info("x", 1, [4, 5])],
        [helper.make_tensor_value_info("y", 7, [2, "n"])],
    )
    path = folder / "hosted.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def test_layers_that_were_fused_name_one_another(tmp_path, capsys):
    net = small(tmp_path)
    placement = call(capsys, "inspect", net, "--placement", "--json").document["placement"]
    done = call(capsys, "inspect", net, "--placement", "-q")
    assert done.code == 0, done.err
    rows = {line.split()[0]: line for line in done.out.splitlines() if line}
    fused = [step["layers"] for step in placement["steps"] if len(step["layers"]) > 1]
    assert fused
    for layers in fused:
        assert all(other in rows[layers[0]].partition(" with ")[2] for other in layers[1:])
    assert ", 0 steps on the host, 5 layers" in done.out


def test_the_host_has_its_reason(tmp_path, capsys):
    done = call(capsys, "inspect", hosted(tmp_path), "--placement", "--json")
    placement = done.document["placement"]
    assert (placement["kernels"], placement["hosted"]) == (1, 1)
    layers = {layer["name"]: layer for layer in placement["layers"]}
    assert (layers["relu"]["where"], layers["relu"]["reason"]) == ("machine code", None)
    assert layers["places"]["where"] == "host"
    assert layers["places"]["reason"] == placement["steps"][1]["reason"]
    assert "known only when it has run" in layers["places"]["reason"]


def test_the_host_is_seen_in_text(tmp_path, capsys):
    done = call(capsys, "inspect", hosted(tmp_path), "--placement")
    assert "host, step 1: " in done.out
    assert "host: nonzero (places): " in done.out


def test_a_profile_has_every_kernel(tmp_path, capsys):
    net = small(tmp_path)
    placed = call(capsys, "inspect", net, "--placement", "--json").document["placement"]
    done = call(capsys, "profile", net, "--threads", 1, "--repeat", 3, "--json")
    assert done.code == 0, done.err
    profile = done.document
    assert (profile["threads"], profile["repeat"]) == (1, 3)
    assert len(profile["steps"]) == placed["kernels"]
    assert all(step["seconds"] >= step["least"] >= 0 for step in profile["steps"])
    assert {layer["name"] for layer in profile["layers"]} <= {layer["name"] for layer in placed["layers"]}
    assert sum(layer["flops"] for layer in profile["layers"]) == sum(step["flops"] for step in profile["steps"])
    conv = next(step for step in profile["steps"] if "conv" in step["operators"])
    assert conv["name"] == "conv1"
    assert conv["flops"] >= 2 * 4 * 6 * 6 * 3 * 9
    assert profile["peaks"]["flops"] > 0
    assert profile["peaks"]["bytes"] > 0


def test_a_trace_has_every_run(tmp_path, capsys):
    trace = tmp_path / "trace.json"
    done = call(capsys, "profile", hosted(tmp_path), "--repeat", 2, "--warm", 0, "--trace", trace)
    assert done.code == 0, done.err
    events = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "X"]
    assert [event["name"] for event in sorted(events, key=lambda event: event["ts"])] == ["relu", "places"] * 2
    assert {event["cat"] for event in events} == {"machine code", "host"}
    assert min(event["ts"] for event in events) == 0
    assert all(event["dur"] >= 0 for event in events)
    assert "on the host: nonzero" in done.out


def test_a_profile_by_layer_cuts_what_is_too_long(tmp_path, capsys):
    done = call(capsys, "profile", small(tmp_path), "--threads", 1, "--repeat", 1, "--by", "layer", "--top", 1)
    assert done.code == 0, done.err
    assert " more)" in done.out
    assert "(between kernels)" in done.out
    assert "peaks, measured: " in done.out


def test_a_trace_does_not_overwrite_the_model(tmp_path, capsys):
    net = small(tmp_path)
    before = net.read_text()
    assert call(capsys, "profile", net, "--trace", net).code == 2
    assert net.read_text() == before


def test_a_bench_measures_both_in_turns(tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    arguments = ("--against", "onnxruntime", "--threads", "1", "--repeat", 4, "--warm", 1)
    done = call(capsys, "bench", small(tmp_path), *arguments, "--json")
    assert done.code == 0, done.err
    (model,) = done.document["models"]
    assert [(each["runtime"], each["threads"], each["calls"]) for each in model["latencies"]] == [
        ("xir", 1, 4),
        ("onnxruntime", 1, 4),
    ]
    ours, theirs = (each["min"] for each in model["latencies"])
    assert model["against"] == [{"threads": 1, "speedup": theirs / ours}]
    assert [(each["runtime"], each["cached"]) for each in model["starts"]] == [
        ("xir", False),
        ("xir", True),
        ("onnxruntime", False),
    ]
    assert all(each["peak_bytes"] > 1 << 20 for each in model["starts"])


def test_a_bench_reads_the_model_as_it_is_told(tmp_path, capsys):
    net = small(tmp_path)
    done = call(capsys, "bench", net, "--input", "data=f32[2,3,8,8]", "--threads", 1, "--repeat", 1, "--tune")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == str(net)
    assert "xir compiles, from the cache: " in done.out


def test_a_bench_tells_what_the_host_runs(tmp_path, capsys):
    done = call(capsys, "bench", hosted(tmp_path), "--threads", 1, "--repeat", 1)
    assert "1 step on the host: nonzero" in done.out


def test_a_bench_against_what_is_missing_names_the_pip_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("xir.inspect.bench.has_onnxruntime", lambda: False)
    done = call(capsys, "bench", small(tmp_path), "--against", "onnxruntime")
    assert done.code == 7
    assert "hint: pip install onnxruntime" in done.err


@pytest.mark.parametrize("threads", ["0", "1,", "two", "-1"])
def test_threads_are_numbers(tmp_path, capsys, threads):
    assert call(capsys, "bench", small(tmp_path), f"--threads={threads}").code == 2


def test_a_compiled_run_gives_what_the_reference_gives(tmp_path, capsys):
    net, results = small(tmp_path), []
    for more in ((), ("--compiled", "--threads", 1)):
        out = tmp_path / f"out{len(results)}.npz"
        assert call(capsys, "run", net, "--random", "--out", out, *more).code == 0
        results.append(read_npz(str(out))["prob"])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)


def test_threads_without_machine_code_say_nothing(tmp_path, capsys):
    done = call(capsys, "run", small(tmp_path), "--random", "--threads", 2)
    assert done.code == 2
    assert "--compiled" in done.err


@pytest.mark.parametrize("second", [False, True])
def test_machine_code_is_compared_with_the_reference(tmp_path, capsys, second):
    net = small(tmp_path)
    done = call(capsys, "verify", net, *([net] if second else []), "--runtime", "cpu", "--json")
    assert done.code == 0, done.err
    assert done.document["runtimes"] == ["reference", "xir cpu"]
    assert [output["name"] for output in done.document["outputs"]] == ["prob"]


@pytest.mark.parametrize(
    ("arguments", "said"), [((), "no second model"), (("--runtime", "cpu", "--per-layer"), "layers")]
)
def test_what_cannot_be_compared(tmp_path, capsys, arguments, said):
    done = call(capsys, "verify", small(tmp_path), *arguments)
    assert done.code == 2
    assert said in done.err
