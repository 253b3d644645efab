"""The public functions, as a program calls them."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

import xir
from tests.cli.commands import UNSUPPORTED, environment, small
from xir._exporting import export_format
from xir.api import ConversionMismatch, optimize_model, plan_conversion, read
from xir.errors import MismatchError, UnsupportedError, UsageError
from xir.frontends.options import LoadOptions


@pytest.fixture
def net(tmp_path):
    return small(tmp_path)


@pytest.mark.parametrize("before", ["", "import xir.verification", "import xir.api"])
def test_verify_is_the_function_whatever_was_imported_before(before):
    code = f"import xir\n{before}\nassert xir.verify.__module__ == 'xir.api', xir.verify"
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


def test_no_module_has_the_name_of_a_public_function():
    modules = {module.name for module in pkgutil.iter_modules(xir.__path__)}
    assert modules.isdisjoint(xir.__all__)
    assert type(xir) is ModuleType


@pytest.mark.parametrize("name", xir.__all__)
def test_every_public_name_is_there(name):
    assert getattr(xir, name).__name__.rpartition(".")[2] == name
    assert name in dir(xir)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = xir.nothing


def test_load_warns_of_what_a_person_should_know(net):
    with pytest.warns(UserWarning, match="weights"):
        graph = xir.load(net, inputs={"data": "f32[2,3,8,8]"}, outputs=["fc"])
    assert [repr(value.type) for value in graph.outputs] == ["f32[2,5]"]
    assert xir.load(graph) is graph


def test_run_and_random_inputs(net):
    graph = read(net).graph
    assert xir.run(graph, xir.random_inputs(graph))["prob"].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("suffix", ["onnx", "xir"])
def test_convert_tells_what_it_did(net, tmp_path, suffix):
    told: list[str] = []
    report = xir.convert(net, tmp_path / f"a.{suffix}", progress=lambda what, done, total: told.append(what))
    assert report.certificate is not None
    assert report.certificate.passed
    assert (report.export.format, report.export.path) == (suffix, str(tmp_path / f"a.{suffix}"))
    assert list(report.seconds) == ["load", "optimize", "export", "verify"]
    assert list(dict.fromkeys(told)) == ["reading", "optimizing", "writing", "verifying"]
    assert report.to_dict()["version"] == 1


def test_convert_without_verification(net, tmp_path):
    report = xir.convert(net, tmp_path / "a.onnx", verify=False)
    assert report.certificate is None
    assert (tmp_path / "a.onnx").exists()


def test_a_graph_is_converted_too(net, tmp_path):
    report = xir.convert(read(net).graph, tmp_path / "a.onnx")
    assert report.source.format == "graph"


def test_a_wrong_result_does_not_take_its_place(net, tmp_path, monkeypatch):
    target = tmp_path / "a.onnx"
    target.write_bytes(b"old")
    other = read(small(tmp_path, net.read_text().replace("std: 0.5", "std: 0.1"), "other.prototxt")).graph
    monkeypatch.setattr("xir._job.optimize", lambda graph, **rest: other)
    with pytest.raises(MismatchError) as caught:
        xir.convert(net, target)
    assert isinstance(caught.value, ConversionMismatch)
    assert not caught.value.certificate.passed
    assert target.read_bytes() == b"old"


def test_a_plan_writes_nothing_and_lists_what_is_missing(net, tmp_path):
    plan = plan_conversion(net, tmp_path / "a.onnx")
    assert plan.export is not None
    assert (plan.format, plan.export.opset, plan.to_dict()["nodes"]) == ("onnx", 21, plan.export.nodes)
    assert plan_conversion(net, tmp_path / "a.xir").export is None
    with pytest.raises(UnsupportedError) as caught:
        plan_conversion(small(tmp_path, UNSUPPORTED), tmp_path / "a.onnx")
    assert [problem.kind for problem in caught.value.problems] == ["Oddity", "Strangeness"]
    assert not (tmp_path / "a.onnx").exists()


def test_optimize_model_reports_and_writes(net, tmp_path):
    report = optimize_model(net, tmp_path / "a.onnx")
    assert report.conversion is not None
    assert report.conversion.certificate is not None
    assert report.before >= report.after
    assert sum(report.fired.values()) > 0
    assert report.to_dict()["version"] == 1
    assert optimize_model(net).conversion is None


@pytest.mark.parametrize(
    ("path", "format", "found"), [("a.onnx", None, "onnx"), ("a.bin", "xir", "xir"), ("a.ONNX", None, "onnx")]
)
def test_the_format_to_write(path, format, found):
    assert export_format(path, format) == found


def test_a_format_that_is_not_written():
    with pytest.raises(UsageError, match="no format that xir writes"):
        export_format("a.caffemodel")


def test_show_draws(net, tmp_path):
    xir.show(read(net).graph, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    with pytest.raises(UsageError, match="no format of drawings"):
        xir.show(read(net).graph, tmp_path / "a.png")


def test_verify_files_of_other_formats(net, tmp_path):
    xir.convert(net, tmp_path / "a.onnx")
    xir.convert(net, tmp_path / "a.xir")
    assert xir.verify(tmp_path / "a.onnx", tmp_path / "a.xir", per_layer=True).passed
    assert xir.verify(net, tmp_path / "a.xir").runtimes == ("reference", "reference")


def test_made_up_weights_follow_the_seed(net):
    first, same, other = (read(net, LoadOptions(seed=seed)).graph.parameters[0].constant.array() for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
