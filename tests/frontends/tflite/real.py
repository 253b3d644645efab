"""Published models: what they are fed, and what LiteRT makes of it.

`python -m tests.frontends.tflite.real`, where `ai-edge-litert==2.3.0` is installed, writes `real.npz`: of each result
its shape, its largest element, and 50 elements.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

EXPECTED = Path(__file__).with_name("real.npz")

MODELS = {
    "basic_pitch_nmp": (1, 43844, 1),
    "mp_face_detection_back": (1, 256, 256, 3),
    "mp_face_detection_front": (1, 128, 128, 3),
    "mp_face_detection_full_range": (1, 192, 192, 3),
    "mp_face_detection_full_range_sparse": (1, 192, 192, 3),
    "mp_face_landmark": (1, 192, 192, 3),
    "mp_iris_landmark": (1, 64, 64, 3),
    "oww_alexa_v0.1": (1, 16, 96),
    "oww_embedding_model": (1, 76, 32, 1),
    "oww_hey_jarvis_v0.1": (1, 16, 96),
    "oww_hey_rhasspy_v0.1": (1, 16, 96),
    "oww_melspectrogram": (1, 1760),
    "selfie_segmentation": (1, 256, 256, 3),
    "selfie_segmentation_landscape": (1, 144, 256, 3),
}
"""{model: the shape of its input}."""

SAMPLED = 50


def path_of(name: str) -> Path:
    """The model's file."""
    folder = Path(os.environ.get("XIR_CORPUS_CACHE") or "~/.cache/xir-corpus").expanduser() / "tflite"
    return folder / f"{name}.tflite"


def feed(name: str) -> Any:
    """Drawn numbers; sound of 16 bits for the one that takes it."""
    loud = 1000 if name == "oww_melspectrogram" else 1
    return (np.random.default_rng(0).standard_normal(MODELS[name]) * loud).astype(np.float32)


def sample(array: Any) -> Any:
    """Elements spread over the whole array."""
    flat = array.reshape(-1)
    return flat[np.linspace(0, len(flat) - 1, min(SAMPLED, len(flat))).astype(np.int64)]


def main() -> None:
    """Writes the file."""
    from ai_edge_litert.interpreter import Interpreter

    kept: dict[str, Any] = {}
    for name, shape in MODELS.items():
        interpreter = Interpreter(str(path_of(name)), num_threads=1)
        interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], feed(name))
        interpreter.invoke()
        for place, detail in enumerate(interpreter.get_output_details()):
            found = interpreter.get_tensor(detail["index"])
            kept[f"{name}/{place}"] = sample(found)
            kept[f"{name}/{place}/shape"] = np.asarray(found.shape)
            kept[f"{name}/{place}/largest"] = np.abs(found).max()
    np.savez_compressed(EXPECTED, **kept)


if __name__ == "__main__":
    main()
