"""`torch.compile(backend="xir")` against PyTorch's eager mode and inductor.

`python benchmarks/torch_compile.py [NAME...]` prints the table of docs/pytorch_live.md. Each network answers as eager
does first: in inference with the sizes of the run and with a symbol for the batch, in training with all gradients and
after three steps of SGD with momentum and of Adam. Then the sides are timed in turns on one thread; a figure is xir's
smallest time divided by eager's.
"""

from __future__ import annotations

import argparse
import gc
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from measure import Figure
from torch import Tensor, nn
from torch_networks import Network, names, network

ROUNDS = 7
SECONDS = 0.2
"""What the calls of one side may take in a round."""
TOLERANCE = 1e-4
"""Of the largest element of a result, and of the norm of all gradients, and of all weights."""
TRAINED = (
    "perceptron", "convolutions", "u-net", "autoencoder", "dilated sound", "masked encoder", "recommender", "BERT",
    "GPT-2", "ViT", "resnet18", "squeezenet1_1", "mobilenet_v2",
)  # fmt: skip
"""The networks that are trained."""
KINKED = frozenset({"resnet18", "mobilenet_v2"})
"""Networks with so many rectifiers that some activations lie within rounding of zero, where the gradient jumps: float32
results of any two libraries differ by whole gradients then. Their results are compared in float64, as they are, and in
float32 with rectifiers that are round at zero."""
BATCH = 4
"""Samples of a training step; inference takes one at a time."""
OPTIMIZERS: Sequence[Callable[[nn.Module], torch.optim.Optimizer]] = (
    lambda module: torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9),
    lambda module: torch.optim.Adam(module.parameters(), lr=1e-4),
)
OPTIONS = {"threads": 1}


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        name: of the network.
        kind: inference or training.
        error: the largest relative difference from eager.
        seconds: {side: the smallest time}.
        spread: the smallest and the largest quotient xir / eager of a round.
        left: what PyTorch ran, in words.
    """

    name: str
    kind: str
    error: float
    seconds: dict[str, float]
    spread: tuple[float, float]
    left: str

    @property
    def quotient(self) -> float:
        """Xir's time divided by eager's."""
        return self.seconds["xir"] / self.seconds["eager"]

    def line(self) -> str:
        """The row in Markdown."""
        told = [f"{self.seconds[side] * 1e3:.3g} ms" if side in self.seconds else "" for side in _SIDES]
        low, high = self.spread
        return (
            f"| {self.name} | {' | '.join(told)} | {self.quotient:.2f} | {low:.2f} to {high:.2f} | {self.error:.0e} |"
        )


_SIDES = ("eager", "xir", "inductor")


def compiled(module: nn.Module, *, dynamic: bool | None = None) -> nn.Module:
    """The module on xir."""
    return torch.compile(module, backend="xir", dynamic=dynamic, options=dict(OPTIONS))


def inference(name: str, with_inductor: bool) -> Row:
    """A network that answers one sample."""
    net = network(name)
    net.module.eval()
    with torch.no_grad(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        error = max(_difference(net, compiled(net.module, dynamic=True), count) for count in (2, 3))
        torch._dynamo.reset()
        made = {"eager": net.module, "xir": compiled(net.module)}
        error = max(error, _difference(net, made["xir"], 1))
        if with_inductor:
            made["inductor"] = torch.compile(net.module)
        fed = net.made(1)
        return _row(name, "inference", error, {side: lambda m=m: net(m, fed) for side, m in made.items()}, said)


def _difference(net: Network, module: nn.Module, count: int) -> float:
    fed = net.made(count)
    wanted, made = net(net.module, fed), net(module, fed)
    if not wanted or len(made) != len(wanted):
        raise RuntimeError(f"{len(made)} results instead of {len(wanted)}")
    return max(_relative(mine, theirs) for mine, theirs in zip(made, wanted, strict=True))


def _relative(made: Tensor, wanted: Tensor) -> float:
    if made.shape != wanted.shape or made.dtype != wanted.dtype:
        raise RuntimeError(f"{made.dtype}{list(made.shape)} instead of {wanted.dtype}{list(wanted.shape)}")
    return float((made - wanted).abs().max() / wanted.abs().max().clamp(min=1e-9))


def training(name: str, with_inductor: bool) -> Row:
    """A step of training, the optimiser's part aside."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        error = max(_trained(name, make, kind) for make in OPTIMIZERS for kind in _judged(name))
        torch._dynamo.reset()
        net = _for_training(name)
        made = {"eager": net.module, "xir": compiled(net.module)}
        if with_inductor:
            made["inductor"] = torch.compile(net.module)
        fed = net.made(BATCH)
        targets = _targets(net, fed)

        def step(module: nn.Module) -> None:
            net.module.zero_grad()
            _loss(net, module, fed, targets).backward()

        return _row(name, "training", error, {side: lambda m=m: step(m) for side, m in made.items()}, said)


def _for_training(name: str) -> Network:
    """A network whose dropout drops nothing, so that all sides can be compared."""
    net = network(name)
    for module in net.module.train().modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net


def _targets(net: Network, fed: object) -> list[Tensor]:
    with torch.no_grad():
        made = net(net.module.eval(), fed)
    net.module.train()
    return [torch.randn_like(y) for y in made if y.is_floating_point()]


def _loss(net: Network, module: nn.Module, fed: object, targets: Sequence[Tensor]) -> Tensor:
    made = [y for y in net(module, fed) if y.is_floating_point()]
    return sum(nn.functional.mse_loss(y, target) for y, target in zip(made, targets, strict=True))


def _judged(name: str) -> Sequence[torch.dtype | None]:
    """In which types results are compared; None for float32 with round rectifiers."""
    return (torch.float64, None) if name in KINKED else (torch.float32,)


def _round(module: nn.Module) -> nn.Module:
    """The module with rectifiers without kinks."""
    for parent in [*module.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.ReLU | nn.ReLU6):
                setattr(parent, name, nn.Softplus())
    return module


def _trained(name: str, make: Callable[[nn.Module], torch.optim.Optimizer], kind: torch.dtype | None) -> float:
    """The largest relative difference of losses, gradients and weights in three steps."""
    torch._dynamo.reset()
    net, eager = _for_training(name), _for_training(name).module
    for module in (net.module, eager):
        _round(module) if kind is None else module.to(kind)
    sides = [(eager, eager, make(eager)), (net.module, compiled(net.module), make(net.module))]
    worst = 0.0
    for _ in range(3):
        fed = {name: x.to(kind) if kind and x.is_floating_point() else x for name, x in net.made(BATCH).items()}
        targets, losses = _targets(net, fed), []
        for module, run, _ in sides:
            module.zero_grad()
            loss = _loss(net, run, fed, targets)
            loss.backward()
            losses.append(loss.detach())
        grads = [[p.grad for p in each.parameters() if p.grad is not None] for each in (net.module, eager)]
        worst = max(worst, _relative(losses[1], losses[0]), _of_norms(*grads))
        for _, _, optimizer in sides:
            optimizer.step()
    return max(worst, _of_norms([*net.module.parameters()], [*eager.parameters()]))


def _of_norms(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The norm of the difference of all elements divided by the norm of all elements."""
    pairs = zip(made, wanted, strict=True)
    off = sum(float((mine.detach() - theirs.detach()).square().sum()) for mine, theirs in pairs)
    return math.sqrt(off / sum(float(theirs.detach().square().sum()) for theirs in wanted))


def _row(
    name: str, kind: str, error: float, calls: dict[str, Callable[[], object]], said: Sequence[warnings.WarningMessage]
) -> Row:
    for call in calls.values():
        call()
    rounds = [{side: _fastest(call) for side, call in calls.items()} for _ in range(ROUNDS)]
    best = {side: min(each[side] for each in rounds) for side in calls}
    quotients = [each["xir"] / each["eager"] for each in rounds]
    left = {str(each.message) for each in said if "PyTorch runs" in str(each.message)}
    return Row(name, kind, error, best, (min(quotients), max(quotients)), "; ".join(sorted(left)))


def _fastest(call: Callable[[], object]) -> float:
    best, spent = math.inf, 0.0
    call()
    while spent < SECONDS:
        started = time.perf_counter()
        call()
        taken = time.perf_counter() - started
        best, spent = min(best, taken), spent + taken
    return best


def rows(chosen: Sequence[str], with_inductor: bool, kinds: Sequence[str]) -> Iterator[Row | str]:
    """The rows of networks; in words what failed."""
    torch.set_num_threads(1)
    torch._dynamo.config.allow_rnn = True  # or recurrent layers are never given to a backend
    logging.getLogger("transformers").setLevel(logging.ERROR)
    for name in chosen or names():
        for kind, measure in (("inference", inference), ("training", training)):
            if kind not in kinds or (kind == "training" and name not in (chosen or TRAINED)):
                continue
            torch._dynamo.reset()
            gc.collect()
            try:
                yield measure(name, with_inductor)
            except ImportError as error:
                yield f"{name}, {kind}: not measured, {error}"
            except Exception as error:  # what a compiler raises has no common base
                yield f"{name}, {kind}: FAILED, {type(error).__name__}: {str(error)[:300]}"


def mean(measured: Sequence[Row]) -> float:
    """The geometric mean of the quotients."""
    return math.exp(sum(math.log(row.quotient) for row in measured) / len(measured))


def torch_compile() -> Iterator[Figure]:
    """All networks, then the means over them."""
    for kind in ("inference", "training"):
        measured: list[Row] = []
        for row in rows((), False, (kind,)):
            if isinstance(row, str):
                sys.stdout.write(row + "\n")
                continue
            measured.append(row)
            if row.error > TOLERANCE:
                raise RuntimeError(f"{row.name}, {kind}: xir and eager differ by {row.error:.1e}")
            detail = f"{row.spread[0]:.2f} to {row.spread[1]:.2f} in {ROUNDS} rounds"
            yield Figure(f"torch.compile, {kind}, {row.name}: time of xir / eager", row.quotient, "x", None, detail)
        if measured:
            yield Figure(
                f"torch.compile, {kind}, geometric mean", mean(measured), "x", 1.0, f"{len(measured)} networks"
            )


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--inductor", action="store_true", help="measure inductor, too; it compiles slowly")
    parser.add_argument("--kinds", nargs="*", default=("inference", "training"))
    chosen = parser.parse_args()
    for kind in chosen.kinds:
        sys.stdout.write(f"\n{kind}\n| network | eager | xir | inductor | xir / eager | in a round | error |\n")
        measured: list[Row] = []
        for row in rows(chosen.names, chosen.inductor, (kind,)):
            if isinstance(row, Row):
                measured.append(row)
                sys.stdout.write(row.line() + (f"  {row.left[:200]}" if row.left else "") + "\n")
            else:
                sys.stdout.write(row + "\n")
            sys.stdout.flush()
        if measured:
            sys.stdout.write(f"geometric mean of {len(measured)}: {mean(measured):.3f}\n")


if __name__ == "__main__":
    main()
