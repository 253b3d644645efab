"""Layers of a person's own: files, modules, entry points; and the page that describes them."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import declare, layer, one
from xir.errors import FormatError, InvalidModelError, UnsafeError, UnsupportedError, UsageError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.caffe.plugins import GROUP
from xir.frontends.options import Loaded, LoadOptions
from xir.reference import run

PAGE = Path(__file__).resolve().parents[3] / "docs" / "caffe_layers.md"
DOUBLE = """
from xir.frontends._handlers import Handlers
from xir.ops.elementwise import add
handlers = Handlers("caffe")
@handlers.layer("Double")
def double(site, x):
    return add(x, x)
"""
NET = declare({"data": (2, 3)}) + one("Double")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def _load(folder: Path, text: str, *plugins: str) -> Loaded:
    path = folder / "net.prototxt"
    path.write_text(text)
    return load_caffe(str(path), LoadOptions(plugins=plugins))


def _plugin(folder: Path, code: str, name: str = "plugin.py") -> str:
    path = folder / name
    path.write_text(code)
    return str(path)


def test_the_page_s_example_works(tmp_path: Path) -> None:
    (code,), (net,) = _blocks("python"), _blocks("prototxt")
    graph = _load(tmp_path, net, _plugin(tmp_path, code, "gates.py")).graph
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 4)).astype(np.float32)
    (y,) = run(graph, {"data": x}).values()
    np.testing.assert_allclose(np.asarray(y), x / (1 + np.exp(-2 * x)), rtol=1e-5, atol=1e-6)
    assert [parameter.value for parameter in graph.parameters]


def test_the_page_s_example_fails_without_the_plugin(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        _load(tmp_path, _blocks("prototxt")[0])
    (problem,) = caught.value.problems
    assert (problem.kind, problem.layers) == ("SoftGate", ("gate",))
    assert "soft_gate_param" in problem.reason
    assert "--plugin MODULE" in str(problem.hint)


def test_all_layers_with_unknown_parameters_are_told_at_once(tmp_path: Path) -> None:
    text = declare({"data": (2, 3)}) + "".join(
        layer(f"l{number}", kind, "data", f"l{number}", body)
        for number, (kind, body) in enumerate(
            (
                ("Gate", "gate_param { gain: 2 inner < a: [1, 2], b: '}' > # }\n }"),
                ("ReLU", ""),
                ("Gate", 'gate_param: { s: "{" }'),
                ("Wave", "wave_param {} other_param { }"),
                ("Plain", ""),
            )
        )
    )
    with pytest.raises(UnsupportedError) as caught:
        _load(tmp_path, text)
    assert [(one.kind, one.layers) for one in caught.value.problems] == [
        ("Gate", ("l0", "l2")), ("Wave", ("l3",)), ("Plain", ("l4",)),
    ]  # fmt: skip
    assert "wave_param, other_param" in caught.value.problems[1].reason


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("soft_max_param { axis: 1 }", ("it", "Softmax"), "line 2: LayerParameter has no field 'soft_max_param'"),
        ("softmax_param { axes: 1 }", ("it", "Softmax"), "SoftmaxParameter has no field 'axes'"),
        ("botom: 'x'", ("it", "Softmax"), "LayerParameter has no field 'botom'"),
    ],
)
def test_an_unknown_field_of_a_known_layer_names_it(
    text: str, where: tuple[str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(FormatError, match=words) as caught:
        _load(tmp_path, declare({"data": (2, 3)}) + one("Softmax", text))
    assert (caught.value.source.layer, caught.value.source.kind) == where
    assert "did you mean" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("gate_param { a: 'x } }", "not closed"),
        ("gate_param { a { } ", "text ends"),
        ("gate_param { [ } }", "closes nothing"),
    ],
)
def test_a_damaged_unknown_parameter_is_an_error(body: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=words):
        _load(tmp_path, declare({"data": (2, 3)}) + one("Gate", body)[:-3])


def test_an_unknown_parameter_is_not_nested_without_end(tmp_path: Path) -> None:
    with pytest.raises(UnsafeError):
        _load(tmp_path, declare({"data": (2, 3)}) + one("Gate", "gate_param {" + "a {" * 10_000 + "}" * 10_001))


def test_a_module_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, DOUBLE, "doubling_here.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry not in ("", ".")])
    assert _load(tmp_path, NET, "doubling_here").graph.nodes
    assert "doubling_here" not in sys.modules


def test_nothing_else_of_the_current_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, "import neighbour_of_mine\n" + DOUBLE, "doubling_here.py")
    _plugin(tmp_path, "", "neighbour_of_mine.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in sys.path if entry not in ("", ".")])
    with pytest.raises(UsageError, match="No module named 'neighbour_of_mine'"):
        _load(tmp_path, NET, "doubling_here")


def test_the_page_imports_nothing_private() -> None:
    assert not re.findall(r"(?:from|import) [\w.]*\b_\w+", "".join(_blocks("python")))


def test_an_unknown_layer_points_to_plugins(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError) as caught:
        _load(tmp_path, NET)
    assert "--plugin MODULE" in str(caught.value.problems[0].hint)


def test_a_module_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, DOUBLE, "doubling_layers.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert _load(tmp_path, NET, "doubling_layers").graph.nodes


def test_a_python_layer(tmp_path: Path) -> None:
    code = DOUBLE.replace('"Double"', '"Python:my.module.Double"')
    text = declare({"data": (2, 3)}) + one("Python", 'python_param { module: "my.module" layer: "Double" }')
    with pytest.raises(UnsupportedError, match="not supported"):
        _load(tmp_path, text)
    code = code.replace("return", 'site.param("python_param").ignore("module", "layer")\n    return')
    assert _load(tmp_path, text, _plugin(tmp_path, code)).graph.nodes


BROKEN = [
    ("absent.py", None, "is not there"),
    ("no_such_module_of_xir", None, "ModuleNotFoundError"),
    ("plugin.py", "1 / 0", "ZeroDivisionError"),
    ("plugin.py", "def", "SyntaxError"),
    ("plugin.py", "x = 1", "has no table of handlers"),
    ("plugin.py", DOUBLE + "fields = [1]", "`fields` must be a list"),
    ("plugin.py", DOUBLE.replace("Double", "ReLU"), "'ReLU' has two handlers"),
    (
        "plugin.py",
        DOUBLE + "from xir.frontends.caffe.schema import make_field\nfields = [make_field('LayerParameter', 'x', 'Y')]",
        "unknown type 'Y'",
    ),
]


@pytest.mark.parametrize(("name", "code", "words"), BROKEN)
def test_a_broken_plugin_is_named(name: str, code: str | None, words: str, tmp_path: Path) -> None:
    place = _plugin(tmp_path, code, name) if code is not None else name
    with pytest.raises(UsageError) as caught:
        _load(tmp_path, NET, place)
    assert words in caught.value.message
    assert name in caught.value.message


def test_a_handler_s_mistake_names_the_plugin_and_the_layer(tmp_path: Path) -> None:
    place = _plugin(tmp_path, DOUBLE.replace("return add(x, x)", "return x.nothing"))
    with pytest.raises(UsageError, match=r"plugin .*plugin.py failed: AttributeError") as caught:
        _load(tmp_path, NET, place)
    assert caught.value.source.layer == "it"


def test_an_error_in_a_plugin_s_handler_names_the_plugin(tmp_path: Path) -> None:
    raising = "from xir.errors import InvalidModelError\n    raise InvalidModelError('wrong gain')"
    place = _plugin(tmp_path, DOUBLE.replace("return add(x, x)", raising))
    with pytest.raises(InvalidModelError, match=r"plugin .*plugin.py: wrong gain"):
        _load(tmp_path, NET, place)


def _install(monkeypatch: pytest.MonkeyPatch, *values: str) -> list[str]:
    asked: list[str] = []

    def entry_points(*, group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
        asked.append(group)
        return tuple(importlib.metadata.EntryPoint(f"e{i}", value, GROUP) for i, value in enumerate(values))

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return asked


def test_entry_points_help_with_an_unknown_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, DOUBLE, "doubling_package.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = _install(monkeypatch, "doubling_package")
    assert _load(tmp_path, NET).graph.nodes
    assert asked == [GROUP]


def test_entry_points_help_with_an_unknown_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _plugin(tmp_path, _blocks("python")[0], "gates_package.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    _install(monkeypatch, "gates_package")
    assert _load(tmp_path, _blocks("prototxt")[0]).graph.nodes


def test_entry_points_are_not_asked_for_a_known_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _install(monkeypatch, "no_such_module")
    _load(tmp_path, declare({"data": (2, 3)}) + one("ReLU"))
    assert asked == []


def test_a_plugin_is_not_merged_into_the_table_for_all(tmp_path: Path) -> None:
    _load(tmp_path, NET, _plugin(tmp_path, DOUBLE))
    with pytest.raises(UnsupportedError):
        _load(tmp_path, NET)
