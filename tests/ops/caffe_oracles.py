"""Other people's programs that run Caffe nets: OpenCV's dnn module, and Caffe itself where it is installed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from xir.ir.constant import Array

_REAL_CAFFE = """
import os, sys
os.environ["GLOG_minloglevel"] = "2"
import caffe
import numpy as np
given = dict(np.load(sys.argv[2]))
net = caffe.Net(sys.argv[1], caffe.TEST)
for name, blobs in net.params.items():
    for index, blob in enumerate(blobs):
        blob.data[...] = given["weight:%s:%d" % (name, index)]
for name in net.inputs:
    net.blobs[name].data[...] = given["input:" + name]
net.forward()
np.savez(sys.argv[3], **{name: net.blobs[name].data for name in net.outputs})
"""


def _with_inputs(layers: str, feeds: Mapping[str, Array]) -> str:
    shapes = [f"{' '.join(f'dim: {size}' for size in array.shape)}" for array in feeds.values()]
    return "".join(f'input: "{n}" input_shape {{ {s} }}\n' for n, s in zip(feeds, shapes, strict=True)) + layers


def opencv(layers: str, feeds: Mapping[str, Array], output: str) -> Array:
    """What OpenCV computes for the blob `output` of a net without weights."""
    import cv2

    text = np.frombuffer(_with_inputs(layers, feeds).encode(), np.uint8)
    net = cv2.dnn.readNetFromCaffe(text, np.zeros(0, np.uint8))
    for name, array in feeds.items():
        net.setInput(array, name)
    return np.asarray(net.forward(output))


def real_caffe(
    layers: str, feeds: Mapping[str, Array], weights: Mapping[str, Sequence[Array]], folder: Path
) -> dict[str, Array]:
    """What Caffe itself computes for every output of the net; skips where it is not installed (XIR_CAFFE_PYTHON)."""
    python = os.environ.get("XIR_CAFFE_PYTHON", "")
    if not python or not Path(python).exists():
        pytest.skip("real Caffe is not here: set XIR_CAFFE_PYTHON to a Python 3.8 with kendryte-caffe==1.0.0.20210829")
    given = {f"input:{name}": array for name, array in feeds.items()}
    for name, blobs in weights.items():
        given |= {f"weight:{name}:{index}": blob for index, blob in enumerate(blobs)}
    (folder / "net.prototxt").write_text(_with_inputs(layers, feeds))
    np.savez(folder / "given.npz", **given)
    done = subprocess.run(
        [python, "-c", _REAL_CAFFE, "net.prototxt", "given.npz", "results.npz"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(folder / "results.npz"))
