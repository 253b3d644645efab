"""The command `make applications`: what it runs is bounded, what it finds is judged and told."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frontends.keras.applications import foreign, judge, table, ways
from tests.frontends.keras.applications.architectures import INTEGERS, SIZES, TIMED

EQUAL = {"status": "equal", "error": 2e-6}


def written(nodes: int, transposes: int, *seconds: float, **more: object) -> dict[str, object]:
    times = {"seconds": list(seconds), "cpu": [2 * each for each in seconds]}
    return EQUAL | {"nodes": nodes, "transposes": transposes, "bytes": 3_000_000} | times | more


def test_networks_are_known_once() -> None:
    assert len(SIZES) == 31
    assert {*TIMED, *INTEGERS} <= set(SIZES)
    assert {way for name in SIZES for way in ways.ways_of(name)} == set(ways.WAYS) == set(table.SAID)
    assert [way for way in ways.WAYS if way not in ways.ways_of("NASNetMobile")] == ["int8"]


def test_what_was_measured_is_of_networks_and_ways() -> None:
    found = table.results(table.MEASURED)
    assert all(way in ways.ways_of(name) for name, way in found)
    assert not any("/tmp" in answer.get("told", "") for answer in found.values())


def test_a_process_says_its_last_line_and_times() -> None:
    answer, last = ways.ran([sys.executable, "-c", "print('one\\n{}')"])
    assert last == "{}"
    assert answer["seconds"] > 0 <= answer["cpu"]
    assert "status" not in answer


def test_a_process_that_fails_says_why() -> None:
    answer, _ = ways.ran([sys.executable, "-c", "raise ValueError('no such layer')"])
    assert answer["status"] == "failed"
    assert answer["told"] == "ValueError: no such layer"
    silent, _ = ways.ran([sys.executable, "-c", "raise SystemExit(3)"])
    assert (silent["status"], silent["told"]) == ("failed", "ended with 3")


def test_a_process_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    greedy, _ = ways.ran([sys.executable, "-c", f"bytearray({ways.MEMORY})"])
    assert (greedy["status"], "MemoryError" in greedy["told"]) == ("failed", True)
    monkeypatch.setattr(ways, "SECONDS", 0.2)
    late, _ = ways.ran([sys.executable, "-c", "import time; time.sleep(60)"])
    assert (late["status"], late["told"]) == ("late", "longer than 0.2 s")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        ({"error": 1e-5}, "equal"),
        ({"error": 2e-4, "exact": 3e-4, "own": 1e-4}, "different"),
        ({"error": 2e-4, "exact": 1.5e-4, "own": 1e-4}, "rounding"),
        ({"error": 0.0, "told": "(1, 2) for (2, 1)"}, "different"),
        ({"steps": 1, "fast": 9, "own": 9}, "equal"),
        ({"steps": 9, "fast": 0, "own": 9}, "equal"),
        ({"steps": 2, "fast": 2, "own": 0}, "different"),
        ({"steps": 17, "fast": 9, "own": 8}, "different"),
        ({"steps": 17, "fast": 9, "own": 9}, "rounding"),
    ],
)
def test_answers_are_judged(found: dict[str, object], status: str) -> None:
    assert ways.judged(({}, json.dumps(found)))["status"] == status
    assert ways.judged(({"status": "late"}, ""))["status"] == "late"


def test_differences_are_relative_and_shapes_count() -> None:
    answer = foreign.compared(np.array([1.0, 4.5]), np.array([1.0, 5.0]), np.array([1.0, 4.0]))
    assert answer == {"error": pytest.approx(0.1), "exact": pytest.approx(0.125), "own": pytest.approx(0.25)}
    assert foreign.compared(np.zeros((1, 2)), np.zeros((2, 1)), np.zeros(1))["told"] == "(1, 2) for (2, 1)"


def test_an_archive_and_what_it_becomes_are_judged(tmp_path: Path) -> None:
    """A small model of known results, which the network is said to miss by 1 %."""
    pytest.importorskip("llvmlite")
    pytest.importorskip("onnxruntime")
    import xir

    files: Any = import_module("tests.frontends.keras.files")
    kernel = np.arange(6, dtype=np.float32).reshape(3, 2)
    known = {"module": "keras.layers"}
    layers: list[Any] = [
        files.layer("InputLayer", "x", batch_shape=[None, 3]) | known,
        files.layer("Dense", "y", units=2, use_bias=False) | known,
    ]
    config: Any = files.sequential(*layers) | {"config": {"name": "m", "layers": layers}}
    model = files.archive(tmp_path / "model.keras", config, files.keras3_weights({"layers/dense": [kernel]}))
    x = np.ones((2, 3), np.float32)
    np.savez(tmp_path / "io.npz", x=x, y=x @ kernel * np.float32(1.01), exact=x @ kernel)
    assert judge.read(str(model), str(tmp_path))["error"] == pytest.approx(0.01, rel=0.1)
    xir.export(xir.load(model), tmp_path / "a.onnx")
    answer = judge.onnx(str(tmp_path / "a.onnx"), str(tmp_path))
    assert (answer["error"], answer["transposes"]) == (pytest.approx(0.01, rel=0.1), 0)
    np.savez(tmp_path / "int8.npz", x=x, y=x @ kernel + [0, 2], fast=x @ kernel + [3, 2])
    assert judge.steps(str(model), str(tmp_path)) == {"steps": 2, "fast": 3, "own": 3, "exact": [2, 4]}


class Layer:
    """A layer of the network below, and its weight too; counts how often it computes its state."""

    momentum = 0.99
    shape = (4,)

    def __init__(self, path: str) -> None:
        self.path, self.finalized = path, 0

    def assign(self, value: np.ndarray) -> None:
        self.value = value

    def finalize_state(self) -> None:
        self.finalized += 1


class Variances:
    """A weight that is read, too."""

    def __init__(self) -> None:
        self.held = np.array([0.001, 1.0, 1.999])

    def assign(self, value: np.ndarray) -> None:
        self.held = value

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        """Its numbers."""
        return self.held


class BatchNormalization(Layer):
    """What `foreign` knows by its name."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.moving_variance = Variances()


class Network:
    """A model that adds a bias to so much of the image; says what is asked of it."""

    def __init__(self, signal: float) -> None:
        self.signal, self.asked = signal, list[tuple[str, float]]()
        self.norm, self.dense = BatchNormalization("bn/gamma"), Layer("dense/bias")
        self.layers = self.weights = [self.norm, self.dense]

    def get_config(self) -> dict[str, Any]:
        policy = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
        return {"signal": self.signal, "layers": [{"dtype": "float32"}, {"dtype": policy}]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Network:
        text, policy = (layer["dtype"] for layer in config["layers"])
        assert (text, policy["config"]["name"]) == ("float64", "float64")
        return cls(config["signal"])

    def get_weights(self) -> list[np.ndarray]:
        return [self.dense.value]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        assert weights[0].dtype == np.float64
        self.dense.assign(weights[0])

    def __call__(self, x: np.ndarray, *, training: bool) -> np.ndarray:
        self.asked.append(("training" if training else "testing", self.norm.momentum))
        return x.mean(axis=(1, 2)) * self.signal + self.dense.value[0]

    def save(self, path: str) -> None:
        self.asked.append((Path(path).name, 0))

    def export(self, path: str, *, verbose: bool) -> None:
        self.asked.append((Path(path).name, float(verbose)))


@pytest.mark.parametrize(("signal", "told"), [(1.0, ""), (1e-6, "differ by")])
def test_answers_depend_on_the_image(
    signal: float, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Network(signal)

    class Keras:
        """The module."""

        class config:
            """Its settings."""

            @staticmethod
            def set_floatx(_name: str) -> None:
                """The type of what is built."""

        class applications:
            """Its networks."""

            @staticmethod
            def Net(**_settings: object) -> Network:
                """The network."""
                return model

    def found(_name: str) -> type[Keras]:
        return Keras

    monkeypatch.setattr(foreign, "import_module", found)
    if told:
        with pytest.raises(SystemExit, match=told):
            foreign.make("Net", "8", str(tmp_path))
        assert not list(tmp_path.iterdir())
        return
    foreign.make("Net", "8", str(tmp_path))
    assert json.loads(capsys.readouterr().out)["apart"] > foreign.APART
    assert model.asked == [("training", 0), ("testing", 0.99), ("model.keras", 0), ("model.h5", 0), ("saved", 0)]
    assert [layer.finalized for layer in model.layers] == [1, 1]
    with np.load(tmp_path / "io.npz") as held:
        assert held["x"].shape == (2, 8, 8, 3)
        np.testing.assert_allclose(held["exact"], held["y"], rtol=1e-6)
        assert held["exact"].dtype == np.float64
    np.testing.assert_allclose(model.norm.moving_variance.held, [0.5, 1.0, 1.999])


def test_converters_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def conversion(self: ways.Measured, conversion: ways.Conversion) -> ways.Answer:
        started.append(conversion.written)
        failed = {"status": "failed", "told": "why"} if conversion.written == "c.onnx" else {}
        return {"seconds": len(started), "cpu": 1} | failed

    monkeypatch.setattr(ways.Measured, "_conversion", conversion)
    times = ways.Measured("VGG16", "python", tmp_path).converted(["onnx", "tf2onnx"])
    assert started == ["a.onnx", "c.onnx", "a.onnx", "a.onnx"]
    assert times["onnx"] == {"seconds": [1, 3, 4], "cpu": [1, 1, 1]}
    assert times["tf2onnx"]["status"] == "failed"


def test_the_table_counts_and_compares(tmp_path: Path) -> None:
    found = {
        ("VGG16", "keras"): EQUAL,
        ("VGG16", "int8"): {"status": "equal", "steps": 1, "fast": 3, "own": 2, "exact": [19, 20]},
        ("VGG16", "onnx"): written(10, 1, 1.0, 5.0, 2.0),
        ("VGG16", "tf2onnx"): written(12, 1, 8.0, 8.0, 9.0),
        ("VGG16", "to-tflite"): written(7, 0, 1.0, bytes=2_000_000),
        ("VGG16", "converter"): written(7, 0, 2.0),
        ("VGG19", "int8"): {"status": "different", "steps": 2, "fast": 4, "own": 1, "exact": [1, 20]},
        ("ResNet50", "int8"): {"status": "rounding", "steps": 2, "fast": 4, "own": 3, "exact": [1, 20]},
        ("VGG19", "h5"): {"status": "rounding", "error": 2e-4, "exact": 2e-4, "own": 1e-4},
        ("VGG19", "saved"): {"status": "different", "error": 2e-4, "exact": 3e-4, "own": 1e-4},
        ("VGG19", "onnx"): written(11, 2, 1.0),
        ("VGG19", "tf2onnx"): written(10, 1, 1.0),
        ("ResNet50", "onnx"): written(100, 9, 1.0),
        ("ResNet50", "tf2onnx"): {"status": "failed", "told": "no such operator", "seconds": [1.0], "cpu": [2.0]},
    }
    path = tmp_path / "table.md"
    path.write_text(f"# Before\n{table.MARK}\nfirst table\n")
    table.write(path, found, ["VGG16", "VGG19", "ResNet50", "Xception"])
    text = path.read_text()
    assert text.startswith("# Before\n")
    assert "first table" not in text
    assert "| .keras, read | 1 | 1 | 0 | 2e-06 |" in text
    assert "| TFLite of integers, read | 3 | 1 | 1 | 1 steps |" in text
    assert "| ResNet50 |  |  |  |  | 2, 4 (3) (rounding) | 2e-06 |  | failed | 100 / - | 9 / - |  |" in text
    assert "| VGG16 | 2e-06 |  |  |  | 1, 3 (2) |" in text
    assert "| .h5, read | 1 | 0 | 1 |  |" in text
    assert "| VGG19 |  | 2e-04 (rounding) | different |" in text
    assert "- VGG19, SavedModel, read: different, 2e-04; from float64 3e-04, Keras's own float32 1e-04" in text
    assert "- VGG19, TFLite of integers, read: different, 2 steps from LiteRT's reference kernels, 4 from its" in text
    assert "| tf2onnx: SavedModel to ONNX | 3 | 2 | 0 | 2e-06 |" in text
    assert "where both are right (2): 21 nodes beside 22, 3 transposes beside 2, more of either in 1;" in text
    assert "takes 2.0 times as long, 2.0 times the processor's time" in text
    assert "10 / 12 | 1 / 1 | 4.0 (3 turns) | 2e-06 | 2e-06 | 7 / 7 | 0 / 0 | 2.0 / 3.0 | 2.0 |" in text
    assert "- ResNet50, tf2onnx: SavedModel to ONNX: failed, no such operator" in text
    assert text.endswith("Not measured yet: Xception.\n")


def test_results_are_kept_without_folders(tmp_path: Path) -> None:
    told = "FileNotFoundError: '/tmp/abc/saved/a.pb' is not there" + 300 * "."
    kept = table.kept("VGG16", "saved", {"status": "failed", "told": told})
    assert kept["told"].startswith("FileNotFoundError: 'a.pb' is not there")
    assert len(kept["told"]) == 300
    path = tmp_path / "measured.jsonl"
    path.write_text(json.dumps(kept | {"status": "late"}) + "\n" + json.dumps(kept) + "\n")
    assert table.results(path) == {("VGG16", "saved"): kept}
    assert table.results(tmp_path / "none") == {}


def test_the_peers_failures_are_not_ours() -> None:
    assert not table.wrong("tf2onnx", {"status": "failed"})
    assert table.wrong("onnx", {"status": "different"})
    assert not table.wrong("onnx", {"status": "equal"})
    assert not table.wrong("onnx", {"status": "rounding"})
