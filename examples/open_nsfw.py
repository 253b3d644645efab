"""The main job on a real model: Yahoo's open_nsfw, a Caffe model of 2016, becomes a verified ONNX file.

Run it with `make demo`. It needs the two files that `make models` fetches; no Caffe anywhere.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

import xir
from xir.verification import OnnxRuntimeRunner

FOLDER = Path(os.environ.get("XIR_CORPUS_CACHE", "~/.cache/xir-corpus")).expanduser() / "caffe" / "open_nsfw"
MEAN_BGR = np.array([104.0, 117.0, 123.0], np.float32)  # the mean that open_nsfw was trained with (classify_nsfw.py)
SIZE = 224


def draw() -> np.ndarray:
    """A picture of our own, [224, 224, 3] RGB bytes: an evening sky over the sea, a sun, a sail."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    sky = np.stack([0.95 - 0.3 * y, 0.55 + 0.2 * y, 0.45 + 0.4 * y], axis=-1)
    sea = np.stack([0.1 + 0.1 * y, 0.3 + 0.1 * np.sin(60 * y + 9 * x), 0.45 + 0.05 * np.cos(80 * y)], axis=-1)
    picture = np.where((y < 0.6)[..., None], sky, sea)
    sun = (x - 0.7) ** 2 + (y - 0.35) ** 2 < 0.08**2
    sail = (y > 0.3) & (y < 0.62) & (np.abs(x - 0.3) < 0.4 * (y - 0.3))
    picture[sun] = (1.0, 0.9, 0.6)
    picture[sail] = (0.97, 0.97, 0.95)
    return (picture.clip(0, 1) * 255).astype(np.uint8)


def main() -> int:
    """Converts, verifies, runs, and says what was done."""
    out = Path("out")
    out.mkdir(exist_ok=True)
    model, target, picture = FOLDER / "resnet_50_1by2_nsfw.caffemodel", out / "open_nsfw.onnx", out / "picture.png"
    if not model.is_file():
        print(f"{model} is absent: run `make models`", file=sys.stderr)
        return 9

    report = xir.convert(model, target)
    certificate = report.certificate
    files = " + ".join(Path(file).name for file in report.source.files)
    print(f"caffe  {files}   {report.layers} layers, {report.parameters / 1e6:.1f}M weights")
    print(f"onnx   {target}   opset {report.export.opset}, ir {report.export.ir_version}, {report.export.nodes} nodes")
    print(certificate.summary() if certificate else "not verified")

    from PIL import Image  # an extra: xir itself does not need it

    image = draw()
    Image.fromarray(image).save(picture)
    pixels = image[..., ::-1].astype(np.float32) - MEAN_BGR
    feeds = {"data": np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])}
    before = xir.run(report.source.graph, feeds)["prob"][0]
    runner = OnnxRuntimeRunner(str(target))
    after = runner.run(feeds)["prob"][0]
    print(f"\n{picture}, drawn by this script:")
    print(f"  the Caffe model, by xir's reference    safe {before[0]:.6f}   not safe {before[1]:.6f}")
    print(f"  the ONNX file, by {runner.runtime:<20} safe {after[0]:.6f}   not safe {after[1]:.6f}")
    print(f"\nNo Caffe was installed. Your file: {target.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
