"""What is done with one network, with torch in the process."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.origins import traced
from tests.frontends.torch.networks.prepare import LEAST_DIFFERENCE, distance, drawn, prepared
from tests.frontends.torch.oracle import arrays
from tests.frontends.torch.oracle.export import array_of, fed, flat
from tests.frontends.torch.oracle.judge import REPOSITORY

Answer = dict[str, Any]
"""`status`: equal, rounding (not equal, but no farther from torch's result in float64 than torch's own in float32), 
refused (by xir), crashed (xir), not made (by torch), silent (the network shows nothing); `error`, `told`, `nodes` and
what else is known; for rounding `exact` and `own`, both distances from the float64 result."""


ROUNDING = 2.0
"""A result is rounded like torch's where it lies no more than so many times as far from that in float64."""


class Subject:
    """A network, what torch makes of it, and a folder for its files."""

    def __init__(self, network: Network, folder: Path, ways: Sequence[str] = ()) -> None:
        self.network, self.folder, self.ways = network, folder, ways
        self.answers: dict[Path, tuple[set[str], Answer]] = {}

    def converts(self, kind: str) -> bool:
        """Whether the exported program in the folder of this name is to be converted to ONNX."""
        return {"pt2": "onnx", "symbolic": "onnx-symbolic"}.get(kind) in self.ways

    @cached_property
    def module(self) -> Any:
        """The module."""
        return prepared(self.network)

    @cached_property
    def example(self) -> dict[str, Any]:
        """The inputs that it is exported for."""
        return drawn(self.network, self.network.example())

    def sets(self, symbolic: bool) -> list[dict[str, Any]]:
        """The inputs that it is run with."""
        others = [drawn(self.network, sizes, 2 + number) for number, sizes in enumerate(self.network.others())]
        return [self.example, *(others if symbolic else ())]

    def torch(self, inputs: Mapping[str, Any], module: Any = None) -> list[np.ndarray]:
        """What torch makes of inputs."""
        import torch

        with torch.no_grad():
            return flat((self.module if module is None else module)(**_copies(inputs)))

    @cached_property
    def twin(self) -> Any:
        """The module in float64."""
        return copy.deepcopy(self.module).double()

    def exact(self, inputs: Mapping[str, Any]) -> list[np.ndarray]:
        """What torch makes of inputs in float64."""
        import torch
        from torch.utils import _pytree

        def wide(leaf: Any) -> Any:
            return leaf.double() if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf

        return self.torch(_pytree.tree_map(wide, dict(inputs)), self.twin)

    @cached_property
    def silent(self) -> str:
        """Why the network's results show nothing, or nothing."""
        one = self.torch(self.example)
        other = self.torch(drawn(self.network, self.network.example(), 7))
        if not all(np.isfinite(array).all() for array in one if array.dtype.kind == "f"):
            return "results are not finite"
        if len(one) != len(other) or any(a.shape != b.shape for a, b in zip(one, other, strict=True)):
            return ""
        error, _ = distance(one, other)
        return f"two inputs differ by {error:.1e}" if error < LEAST_DIFFERENCE else ""

    def shapes(self, symbolic: bool) -> Any:
        """`dynamic_shapes` for torch.export."""
        import torch

        def tree(item: Any) -> Any:
            if isinstance(item, list | tuple):
                return type(item)(map(tree, item))
            if isinstance(item, Mapping):
                axes = all(isinstance(key, int) for key in item)
                return {key: torch.export.Dim.AUTO if axes else tree(each) for key, each in item.items()}
            return item

        return {name: tree(self.network.axes.get(name)) for name in self.example} if symbolic else None


def _copies(tree: Any) -> Any:
    import torch
    from torch.utils import _pytree

    return _pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, dict(tree))


class NotMade(Exception):
    """torch itself does not make the file."""


def _made(what: Callable[[], Any]) -> Any:
    """What torch makes; `NotMade` in place of whatever it raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return what()
    except Exception as error:
        raise NotMade(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """What torch says, on one line: its exporters wrap what went wrong, and say first what to do."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:400]}"


def _archive(subject: Subject, symbolic: bool) -> Path:
    """The folder with the exported program, made once."""
    import torch

    folder = subject.folder / ("symbolic" if symbolic else "pt2")
    if (folder / "model.pt2").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    shapes = subject.shapes(symbolic)
    program = _made(
        lambda: torch.export.export(subject.module, (), _copies(subject.example), dynamic_shapes=shapes, strict=False)
    )
    for number, inputs in enumerate(subject.sets(symbolic)):
        if number:  # torch.export may have fixed a size that was to be a symbol
            _made(lambda given=inputs: subject.torch(given, program.module()))
        arrays.save(folder / f"inputs_{number}", fed(program, (), inputs))
        arrays.save(folder / f"outputs_{number}", subject.torch(inputs))
    _saved(lambda path: torch.export.save(program, path), folder / "model.pt2")
    return folder


def _saved(save: Callable[[Path], object], path: Path) -> None:
    """Saves a file; what torch leaves of one that it cannot save is no archive."""
    try:
        _made(lambda: save(path))
    except NotMade:
        path.unlink(missing_ok=True)
        raise


def _read(subject: Subject, folder: Path, ways: list[str]) -> Answer:
    """What a process without torch makes of the archive in a folder; what else is wanted of it is made at once."""
    if folder not in subject.answers or not set(ways) <= subject.answers[folder][0]:
        wanted = {*ways, *(["onnx"] if subject.converts(folder.name) else ())}
        subject.answers[folder] = wanted, _worker(folder, sorted(wanted))
    answer = dict(subject.answers[folder][1])
    failed = [answer, *(each for way, each in answer.pop("errors", {}).items() if way in ways)]
    for each in failed:
        if "error" in each:
            told = f"{each['error']}\n{each.get('traceback', '')}".strip()
            return {"status": "crashed" if told.startswith("BUG") else "refused", "told": told}
    pairs = [
        (arrays.load(folder / f"{way}_{number}"), arrays.load(folder / f"outputs_{number}"), inputs, way)
        for number, inputs in enumerate(subject.sets(folder.name.endswith("symbolic")))
        for way in ways
    ]
    return answer | _judged(subject, pairs)


def _worker(folder: Path, ways: list[str]) -> Answer:
    command = [sys.executable, "-m", "tests.frontends.torch.oracle.worker", ",".join(ways), str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"error": f"BUG the process ended with {done.returncode}"}


Pair = tuple[list[np.ndarray], list[np.ndarray], Mapping[str, Any], str]
"""What was made, what torch makes, of which inputs, and what made it."""


def _judged(subject: Subject, pairs: Sequence[Pair]) -> Answer:
    """The worst of some results; what is different is worse than any rounding."""
    worst: tuple[bool, float] = (False, -1.0)
    answer = Answer()
    for made, wanted, inputs, where in pairs:
        error, why = distance(made, wanted)
        found: Answer = {"status": "equal", "error": error, "told": ""}
        if error > subject.network.tolerance:
            found |= {"status": "different", "told": f"{where}: {why}"} | _against_exact(subject, made, wanted, inputs)
        badness = found["status"] == "different", error
        if badness > worst:
            worst, answer = badness, found
    return answer


def _against_exact(subject: Subject, made: list[np.ndarray], wanted: list[np.ndarray], inputs: Any) -> Answer:
    """Whether a difference is rounding: the result in float64 says which of both is nearer."""
    try:
        true = subject.exact(inputs)
    except Exception:  # torch's own: a layer without float64
        return {}
    exact, own = distance(made, true)[0], distance(wanted, true)[0]
    if not np.isfinite(own) or exact > ROUNDING * own:
        return {"told": f"from float64 {exact:.1e}, torch's own float32 {own:.1e}"}
    told = f"rounding: from torch's float64 {exact:.1e}, torch's own float32 {own:.1e}"
    return {"status": "rounding", "told": told, "exact": exact, "own": own}


def _on(subject: Subject) -> list[str]:
    return ["compiled", "reference"] if subject.network.reference else ["compiled"]


def pt2(subject: Subject) -> Answer:
    """The exported program, for sizes that are numbers."""
    return _read(subject, _archive(subject, False), _on(subject))


def symbolic(subject: Subject) -> Answer:
    """The exported program with sizes that are symbols, run with several."""
    return _read(subject, _archive(subject, True), _on(subject))


def onnx(subject: Subject) -> Answer:
    """The exported program converted to ONNX, run by onnxruntime."""
    return _read(subject, _archive(subject, False), ["onnx"])


def onnx_symbolic(subject: Subject) -> Answer:
    """The same with sizes that are symbols."""
    return _read(subject, _archive(subject, True), ["onnx"])


def _script_archive(subject: Subject, symbolic: bool) -> Path:
    """The folder with TorchScript, traced or scripted, made once."""
    import torch

    how, folder = subject.network.script, subject.folder / ("script-symbolic" if symbolic else "script")
    if how is None:
        raise NotMade("no TorchScript can be made of it")
    if (folder / "model.pt").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if how == "trace":
        given = _copies(subject.example)
        with torch.no_grad():
            archive = _made(
                lambda: torch.jit.trace(subject.module, example_kwarg_inputs=given, check_trace=False, strict=False)
            )
    else:
        archive = _made(lambda: torch.jit.script(subject.module))
    for number, inputs in enumerate(subject.sets(symbolic)):
        wanted = subject.torch(inputs)
        error, why = distance(_made(lambda given=inputs: subject.torch(given, archive)), wanted)
        if error > subject.network.tolerance:
            raise NotMade(f"torch's own run of it is wrong by {error:.1e} {why}")
        arrays.save(folder / f"inputs_{number}", flat(inputs))
        arrays.save(folder / f"outputs_{number}", wanted)
    if symbolic or how == "script":
        types = _types(subject.example, subject.network.axes if symbolic else {})
        (folder / "types.json").write_text(json.dumps(types))
    _made(lambda: torch.jit.save(archive, str(folder / "model.unfinished")))
    (folder / "model.unfinished").rename(folder / "model.pt")
    return folder


def _types(item: Any, axes: Any, name: str = "") -> dict[str, str]:
    """The types of inputs, as xir is told them: {"x.0": "f32[N,3,h,w]"}."""
    if isinstance(item, Mapping | list | tuple):
        pairs = item.items() if isinstance(item, Mapping) else enumerate(item)
        found: dict[str, str] = {}
        for key, each in pairs:
            inner = axes.get(key) if isinstance(axes, Mapping) else axes[key] if axes else None
            found |= _types(each, inner, f"{name}.{key}" if name else str(key))
        return found
    array = array_of(item)
    if array is None:
        return {}
    short = {"float32": "f32", "float64": "f64", "bfloat16": "bf16", "int64": "i64", "int32": "i32", "bool": "bool"}[
        array.dtype.name
    ]
    sizes = [str((axes or {}).get(axis, size)) for axis, size in enumerate(array.shape)]
    return {name: f"{short}[{','.join(sizes)}]"}


def script(subject: Subject) -> Answer:
    """TorchScript, for sizes that are numbers."""
    return _read(subject, _script_archive(subject, False), _on(subject))


def script_symbolic(subject: Subject) -> Answer:
    """TorchScript with sizes that are symbols."""
    return _read(subject, _script_archive(subject, True), _on(subject))


def live(subject: Subject) -> Answer:
    """The module itself."""
    import xir
    from xir.errors import XirError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = xir.load(subject.module, example_inputs=_copies(subject.example))
        given = flat(subject.example)
        feeds = dict(zip(graph.input_names, given, strict=True))
        made = [np.asarray(array) for array in xir.compile(graph).run(None, feeds)]
    except XirError as error:
        return {"status": "refused", "told": f"{type(error).__name__}: {error}"}
    return {"nodes": len(graph.nodes)} | _judged(
        subject, [(made, subject.torch(subject.example), subject.example, "live")]
    )


def _exporter(subject: Subject, symbolic: bool) -> Answer:
    """What torch exports to ONNX itself, run by onnxruntime."""
    import torch

    from tests.frontends.torch.oracle.worker import by_onnxruntime, count_nodes

    path = subject.folder / ("exporter-symbolic.onnx" if symbolic else "exporter.onnx")
    shapes = subject.shapes(symbolic)

    def save() -> None:
        program = torch.onnx.export(
            subject.module, (), kwargs=_copies(subject.example), dynamo=True, dynamic_shapes=shapes, verbose=False
        )
        program.save(str(path))

    _made(save)
    run, names = _made(lambda: by_onnxruntime(path))
    pairs: list[Pair] = []
    for inputs in subject.sets(symbolic):
        feeds = dict(zip(names, flat(inputs), strict=False))
        pairs.append((_made(lambda given=feeds: run(given)), subject.torch(inputs), inputs, "onnxruntime"))
    return {"onnx_nodes": count_nodes(path)} | _judged(subject, pairs)


def exporter(subject: Subject) -> Answer:
    """torch.onnx.export(dynamo=True), for sizes that are numbers."""
    return _exporter(subject, False)


def exporter_symbolic(subject: Subject) -> Answer:
    """torch.onnx.export(dynamo=True) with sizes that are symbols."""
    return _exporter(subject, True)


def origins(subject: Subject) -> Answer:
    """Whether every node that is made of the two files for sizes that are numbers says where it comes from."""
    made: dict[str, Path] = {}
    for make, name in ((_archive, "model.pt2"), (_script_archive, "model.pt")):
        with contextlib.suppress(NotMade):
            made[name] = make(subject, False) / name
    if not made:
        raise NotMade("neither an exported program nor TorchScript can be made of it")
    return traced(made)


WAYS: dict[str, Callable[[Subject], Answer]] = {
    "pt2": pt2,
    "symbolic": symbolic,
    "script": script,
    "script-symbolic": script_symbolic,
    "live": live,
    "onnx": onnx,
    "onnx-symbolic": onnx_symbolic,
    "exporter": exporter,
    "exporter-symbolic": exporter_symbolic,
    "origins": origins,
}
"""Every way, in the order of the table."""


def answered(subject: Subject, way: str) -> Answer:
    """How a way went, with the seconds that it took."""
    began = time.perf_counter()
    if way.endswith("symbolic") and not subject.network.axes:
        return {"status": "none"}
    try:
        why = subject.silent
        answer = {"status": "silent", "told": why} if why else WAYS[way](subject)
    except NotMade as error:
        answer = {"status": "not made", "told": str(error)}
    return answer | {"seconds": round(time.perf_counter() - began, 1)}
