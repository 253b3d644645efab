"""What a verification found, as data: per output, per layer, with seeds and versions."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from xir.verification.compare import Difference

FORMAT_VERSION = 1

_SHOWN = 3
"""Outputs that the summary names."""


@dataclass(frozen=True, slots=True)
class LayerDifference:
    """One layer that both sides have.

    Attributes:
        a: the layer on the first side, in words.
        b: the layer on the second side, in words.
        difference: the worst difference over all seeds.
        atol: the absolute tolerance that the layer was compared with.
        cause: what probably makes the difference, where there is one.
    """

    a: str
    b: str
    difference: Difference
    atol: float
    cause: str | None = None

    def to_dict(self) -> dict[str, object]:
        """The layer as plain data."""
        return {"a": self.a, "b": self.b, **self.difference.to_dict(), "atol": self.atol, "cause": self.cause}


@dataclass(frozen=True, slots=True)
class Certificate:
    """The result of comparing two models.

    Attributes:
        a: the first model's file or name.
        b: the second model's file or name.
        runtimes: what ran the two sides.
        seeds: the seeds of the inputs, or () for inputs that were given.
        rtol: the relative tolerance.
        atol: the absolute tolerance.
        outputs: the worst difference of each output over all seeds.
        layers: the same for each layer that both sides have, in order, where that was asked for.
        unpaired: layers of the first side that have no partner.
        versions: the versions of what took part.
        constant: outputs that were one number, or empty, on all inputs: agreeing on them shows little.
        twin: the comparison of the same structure with random weights, where the model's own are made up and constant.
        drawn: outputs that random numbers decide, of which each runtime drew others: their shapes alone are compared.
        nodes: how many results of nodes agree one by one, where outputs of a quantised model differ as a whole: only
            their rounding adds up (`xir.verification.nodes`). 0 where that was not so, or did not need to be tried.
    """

    a: str
    b: str
    runtimes: tuple[str, str]
    seeds: tuple[int, ...]
    rtol: float
    atol: float
    outputs: tuple[Difference, ...]
    layers: tuple[LayerDifference, ...] = ()
    unpaired: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    constant: tuple[str, ...] = ()
    twin: Certificate | None = None
    drawn: tuple[str, ...] = ()
    nodes: int = 0

    @property
    def passed(self) -> bool:
        """Whether every output (or node) agrees, also the twin's, and every layer where layers were compared."""
        mine = (self.nodes > 0 or all(output.equal for output in self.outputs)) and self.first_divergence is None
        return mine and (self.twin is None or self.twin.passed)

    @property
    def first_divergence(self) -> LayerDifference | None:
        """The first layer, in order, that differs."""
        return next((layer for layer in self.layers if not layer.difference.equal), None)

    @property
    def max_absolute(self) -> float:
        """The largest absolute difference of all outputs, also the twin's."""
        return max((output.max_absolute for output in self._all_outputs), default=0.0)

    @property
    def max_relative(self) -> float:
        """The largest relative difference of all outputs, also the twin's."""
        return max((output.max_relative for output in self._all_outputs), default=0.0)

    @property
    def differing(self) -> tuple[str, ...]:
        """The outputs that differ, also on the twin, each once."""
        return tuple(dict.fromkeys(output.name for output in self._all_outputs if not output.equal))

    @property
    def _all_outputs(self) -> tuple[Difference, ...]:
        return self.outputs if self.twin is None else (*self.outputs, *self.twin.outputs)

    def to_dict(self) -> dict[str, object]:
        """The certificate as plain data, as `--json` prints it."""
        first = self.first_divergence
        return {
            "version": FORMAT_VERSION,
            "a": self.a,
            "b": self.b,
            "runtimes": list(self.runtimes),
            "passed": self.passed,
            "seeds": list(self.seeds),
            "rtol": self.rtol,
            "atol": self.atol,
            "outputs": [output.to_dict() for output in self.outputs],
            "layers": [layer.to_dict() for layer in self.layers],
            "unpaired": list(self.unpaired),
            "first_divergence": first.to_dict() if first else None,
            "versions": dict(self.versions),
            "constant_outputs": list(self.constant),
            "random_outputs": list(self.drawn),
            "nodes": self.nodes,
            "random_weights": None if self.twin is None else self.twin.to_dict(),
        }

    def to_json(self) -> str:
        """The certificate as JSON text, the same bytes for the same facts."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def summary(self) -> str:
        """One line in words, as `convert` prints it."""
        inputs = f"{len(self.seeds)} random inputs" if self.seeds else "the given inputs"
        state = "verified on" if self.passed else "DIFFERS on"
        weights = "" if self.twin is None else ", also with random weights"
        shown = self if self.twin is None else self.twin
        said = f"; {_listed(shown.constant, _DULL)}: this shows little" if shown.constant else ""
        between = f"({self.runtimes[0]} vs {self.runtimes[1]})"
        if self.drawn and self.passed:
            said += (
                f"; {_listed(self.drawn, _DRAWN)}, which each runtime draws its own way: the shapes alone are compared"
            )
            if len(self.drawn) == len(self.outputs):
                return f"nothing but shapes verified on {inputs}  {between}{said}"
        if self.nodes:
            said += (
                f"; all {self.nodes} results of nodes agree one by one: rounding that adds up over quantised layers "
                "makes the difference"
            )
        return (
            f"{state} {inputs}{weights}: max |d| {self.max_absolute:.1e}, max rel {self.max_relative:.1e}  "
            f"{between}{said}"
        )


_DULL = ("is constant or empty", "are constant or empty")
_DRAWN = ("is decided by random numbers", "are decided by random numbers")


def _listed(names: tuple[str, ...], what: tuple[str, str]) -> str:
    some = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
    return f"output {some} {what[0]}" if len(names) == 1 else f"outputs {some} {what[1]}"


def versions(extra: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    """The versions of xir, Python and the libraries that took part, by name."""
    found = {"python": platform.python_version(), **(extra or {})}
    for package in ("xir-compiler", "numpy", "onnx", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return tuple(sorted(found.items()))


def worst(differences: list[Difference]) -> Difference:
    """One difference that stands for several of the same pair: the largest of each measure."""
    first = differences[0]
    ulps = [d.max_ulp for d in differences if d.max_ulp is not None]
    return Difference(
        first.name,
        first.shape,
        max(d.max_absolute for d in differences),
        max(d.max_relative for d in differences),
        max(ulps) if ulps else None,
        max(d.mismatches for d in differences),
        next((d.reason for d in differences if d.reason is not None), None),
    )
