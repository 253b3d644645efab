"""How the time of a conversion grows with the number of layers."""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import Figure, Samples, command, watch
from nets import layered_net

SIZES = (1_000, 5_000, 10_000, 20_000)
ROUNDS = 3
GOAL_SECONDS = 10.0
"""For 10,000 layers."""

GOAL_GROWTH = 1.5
"""Most that a layer among 20,000 may cost, against a layer among 5,000."""


def scaling() -> list[Figure]:
    """`xir convert --no-verify` of prototxts with 1,000 to 20,000 layers of four types."""
    figures: list[Figure] = []
    per_layer: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="xir-bench-") as name:
        for count in SIZES:
            path = Path(name) / f"net{count}.prototxt"
            path.write_text(layered_net(count), encoding="utf-8")
            samples = Samples()
            memory = Samples()
            for _ in range(ROUNDS):
                process = watch(command("convert", str(path), "-o", str(path.with_suffix(".onnx")), "--no-verify"))
                samples.values.append(process.seconds)
                memory.values.append(process.anonymous / (1 << 20))
            per_layer[count] = samples.median / count
            detail = f"{samples.spread}; {per_layer[count] * 1e6:.0f} us a layer, {memory.median:.0f} MiB anonymous"
            goal = GOAL_SECONDS if count == 10_000 else None
            figures.append(Figure(f"conversion of {count:,} layers", samples.median, "s", goal, detail))
    growth = per_layer[20_000] / per_layer[5_000]
    figures.append(Figure("time per layer, 20,000 / 5,000 layers", growth, "x", GOAL_GROWTH, "linear growth is 1"))
    return figures
