"""Small nets with random weights, and what the real Caffe and OpenCV compute for them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.frontends.caffe.encoding import encode
from xir.frontends.caffe.blob import Blob
from xir.frontends.caffe.load import load_caffe
from xir.frontends.caffe.prototext import parse_text
from xir.frontends.options import LoadOptions
from xir.ir.verify import verify
from xir.reference import run

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One net: its inputs by name and shape, its layers as prototxt, and its blobs by layer.

    `make` gives inputs that must not be random numbers; `positive` names blobs that must be above 0 as (layer, index);
    `cv2` tells whether OpenCV knows the layers and means the same by them.
    """

    id: str
    inputs: Mapping[str, tuple[int, ...]]
    layers: str
    blobs: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)
    make: Mapping[str, np.ndarray] = field(default_factory=dict)
    positive: Sequence[tuple[str, int]] = ()
    cv2: bool = False
    caffe: bool = True
    phase: str = "TEST"
    losses: bool | None = None

    def prototxt(self) -> str:
        return f'name: "{self.id}"\n' + declare(self.inputs) + self.layers

    def feeds(self, seed: int = 0) -> Arrays:
        rng = np.random.default_rng((seed, 1))
        return {
            name: self.make[name] if name in self.make else rng.standard_normal(shape).astype(np.float32)
            for name, shape in self.inputs.items()
        }

    def weights(self, seed: int = 0) -> dict[str, list[np.ndarray]]:
        rng = np.random.default_rng((seed, 2))
        made: dict[str, list[np.ndarray]] = {}
        for layer, shapes in self.blobs.items():
            arrays = [(rng.standard_normal(shape) * 0.5).astype(np.float32) for shape in shapes]
            made[layer] = [
                np.abs(array) + np.float32(0.5) if (layer, index) in self.positive else array
                for index, array in enumerate(arrays)
            ]
        return made

    def write(self, folder: Path, seed: int = 0) -> tuple[Path, Path]:
        """The prototxt and the caffemodel."""
        stem = self.id.replace(" ", "_")
        text, model = folder / f"{stem}.prototxt", folder / f"{stem}.caffemodel"
        text.write_text(self.prototxt())
        model.write_bytes(caffemodel(self.prototxt(), self.weights(seed)))
        return text, model


def declare(inputs: Mapping[str, tuple[int, ...]]) -> str:
    """Input layers."""
    lines = []
    for name, shape in inputs.items():
        dims = " ".join(f"dim: {size}" for size in shape)
        lines.append(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n')
    return "".join(lines)


def layer(name: str, kind: str, bottoms: str, tops: str, body: str = "") -> str:
    """One layer; bottoms and tops are names with spaces between."""
    ends = "".join(f' bottom: "{one}"' for one in bottoms.split()) + "".join(f' top: "{one}"' for one in tops.split())
    return f'layer {{ name: "{name}" type: "{kind}"{ends} {body} }}\n'


def one(kind: str, body: str = "", bottoms: str = "data", tops: str = "y", name: str = "it") -> str:
    """The only layer of a net."""
    return layer(name, kind, bottoms, tops, body)


def caffemodel(text: str, weights: Mapping[str, Sequence[np.ndarray]], *, whole: bool = False) -> bytes:
    """The weights of a net in binary form: layers by name and type with their blobs; `whole`: with their parameters."""
    net = parse_text(text, "NetParameter")
    layers = []
    for message in net.messages("layer"):
        arrays = weights.get(message.text("name"), ())
        blobs = [Blob(array.shape, "f32", array) for array in arrays]
        rest = [name for name in message.fields() if not whole and name not in ("name", "type", "bottom", "top")]
        layers.append(message.edited({"blobs": blobs}, drop=rest))
    return encode(net.edited({"layer": layers}))


def ours(case: Case, folder: Path, seed: int = 0) -> Arrays:
    """What the reference computes."""
    text, model = case.write(folder, seed)
    options = LoadOptions(
        prototxt=str(text),
        phase="TRAIN" if case.phase == "TRAIN" else "TEST",
        losses=case.losses,
        fill_missing=not any(case.weights(seed).values()),
    )
    graph = load_caffe(str(model), options).graph
    verify(graph)
    return {name: np.asarray(value) for name, value in run(graph, case.feeds(seed)).items()}


def opencv(text: Path, model: Path, feeds: Arrays, outputs: Sequence[str]) -> Arrays:
    """What OpenCV's dnn computes."""
    net = cv2.dnn.readNetFromCaffe(str(text), str(model))
    for name, array in feeds.items():
        net.setInput(array, name)
    known = set(net.getLayerNames())  # some layers go by their name there, some by their top
    makers = {
        top: one.text("name")
        for one in parse_text(text.read_text(), "NetParameter").messages("layer")
        for top in one.texts("top")
    }
    made = net.forward([makers[name] if makers[name] in known else name for name in outputs])
    return dict(zip(outputs, made, strict=True))


SCRIPT = Path(__file__).with_name("run_caffe.py")


def caffe_python() -> str:
    """The Python that has the real Caffe (`XIR_CAFFE_PYTHON`); skips where it is absent."""
    found = os.environ.get("XIR_CAFFE_PYTHON", "")
    if not found or not Path(found).is_file():
        pytest.skip("no real Caffe: set XIR_CAFFE_PYTHON to a Python 3.8 with pycaffe")
    return found


def real_caffe(jobs: Sequence[Mapping[str, str]], folder: Path) -> dict[str, Arrays | str]:
    """What the real Caffe computes for each job (id, prototxt, caffemodel, feeds, phase), or what it said."""
    listing = folder / "jobs.json"
    listing.write_text(json.dumps(list(jobs)))
    subprocess.run(
        [caffe_python(), str(SCRIPT), str(listing)],
        check=True,
        capture_output=True,
        env={**os.environ, "GLOG_minloglevel": "1", "OMP_NUM_THREADS": "1"},
    )
    results: dict[str, Arrays | str] = {}
    for job in jobs:
        path = Path(job["out"])
        if path.is_file():
            with np.load(path) as made:
                results[job["id"]] = {name: made[name] for name in made.files}
        else:
            log = Path(job["out"] + ".log")
            results[job["id"]] = log.read_text(errors="replace")[-800:] if log.is_file() else "no result"
    return results


def job(case: Case, folder: Path, seed: int = 0) -> dict[str, str]:
    """The files of a case, written for the real Caffe."""
    text, model = case.write(folder, seed)
    feeds = folder / f"{case.id.replace(' ', '_')}.npz"
    np.savez(feeds, **case.feeds(seed))
    out = str(feeds).removesuffix(".npz") + ".out.npz"
    return {
        "id": case.id, "prototxt": str(text), "caffemodel": str(model), "feeds": str(feeds), "phase": case.phase,
        "out": out,
    }  # fmt: skip
