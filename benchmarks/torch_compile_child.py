"""One network under torch.compile in a process of its own: `python torch_compile_child.py NETWORK KIND SIDE`.

NETWORK is a row of tests/frontends/torch/networks, KIND inference or training, SIDE xir or inductor; prints JSON. xir
answers as eager does first: in inference with the sizes of the run and with a symbol for the batch, in training with
losses, all gradients, and the weights after three steps of SGD with momentum and of Adam. Then the side and eager are
timed in turns on one thread.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree

from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.prepare import distance, drawn, prepared, torchvision
from tests.frontends.torch.networks.rows import networks
from tests.frontends.torch.oracle.export import flat
from xir.integrations.torch_compile import backend

ROUNDS = 7
SECONDS = 0.2
"""What the calls of one side may take in a round."""
WORDS = 24
"""The length of sentences, where the network lets it change."""
BATCH = 4
"""Samples of a training step; inference takes one at a time."""
STEPS = 3
"""Steps of each optimiser."""
OPTIMIZERS: Sequence[Callable[[nn.Module], torch.optim.Optimizer]] = (
    lambda module: torch.optim.SGD(module.parameters(), lr=1e-3, momentum=0.9),
    lambda module: torch.optim.Adam(module.parameters(), lr=1e-4),
)
KINKED = ("torchvision.resnet18", "torchvision.mobilenet_v2")
"""Networks with so many rectifiers that some activations lie within rounding of zero, where the gradient jumps: float32
results of any two libraries differ by whole gradients then. They are compared in float64, as they are, and in float32
with rectifiers that are round at zero."""

Answer = dict[str, Any]


def main(name: str, kind: str, side: str) -> None:
    """Measures one side on one network."""
    torch.set_num_threads(1)
    torch._dynamo.config.allow_rnn = True  # or recurrent layers are never given to a backend
    torch._dynamo.register_backend(backend, name="xir")  # also where xir is not installed
    logging.getLogger("transformers").setLevel(logging.ERROR)
    with contextlib.suppress(ImportError):
        torchvision()  # transformers imports it where it is installed
    (network,) = (each for each in networks() if each.name == name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        answer = {"inference": inference, "training": training}[kind](network, side)
    left = sorted({str(each.message) for each in said if "PyTorch runs" in str(each.message)})
    answer |= {"left": "; ".join(left)} if left else {}
    sys.stdout.write(json.dumps({"network": name, "kind": kind, "side": side} | answer) + "\n")


def compiled(module: nn.Module, side: str, *, dynamic: bool | None = None) -> nn.Module:
    """The module on this side."""
    options = {"threads": 1} if side == "xir" else None
    return torch.compile(module, backend=side, dynamic=dynamic, options=options)


def sized(network: Network, count: int) -> dict[str, int]:
    """The sizes of a run with so many samples."""
    return {
        symbol: count
        if symbol in "Nm"
        else WORDS
        if symbol in "tu" and len(sizes) > 1 and sizes[0] < WORDS
        else sizes[0]
        for symbol, sizes in network.sizes.items()
    }


def inference(network: Network, side: str) -> Answer:
    """A network that answers one sample."""
    module, fed = prepared(network), drawn(network, sized(network, 1))
    with torch.no_grad():
        answer: Answer = {}
        if side == "xir":
            symbolic = compiled(module, side, dynamic=True)
            answer["error"] = max(_difference(module, symbolic, drawn(network, sized(network, n))) for n in (2, 3))
            torch._dynamo.reset()
        fast = compiled(module, side)
        if side == "xir":
            answer["error"] = max(answer["error"], _difference(module, fast, fed))
        return answer | timed(lambda: module(**fed), lambda: fast(**fed))


def _difference(module: nn.Module, fast: nn.Module, fed: Mapping[str, Any]) -> float:
    """The largest error relative to the largest element of its result."""
    wanted, made = flat(module(**fed)), flat(fast(**fed))
    return _told(made, wanted)


def _told(made: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    error, wrong = distance(made, wanted)
    if wrong or len(made) != len(wanted):
        raise RuntimeError(wrong or f"{len(made)} results instead of {len(wanted)}")
    return error


@dataclass(frozen=True, slots=True)
class _Samples:
    """What a step of training is fed with, and what it should answer."""

    fed: Mapping[str, Any]
    targets: Sequence[Tensor]


def training(network: Network, side: str) -> Answer:
    """A step of training, the optimiser's part aside."""
    answer: Answer = {}
    if side == "xir":
        kinds = (torch.float64, None) if network.name in KINKED else (torch.float32,)
        errors = {kind: max(_trained(network, make, kind) for make in OPTIMIZERS) for kind in kinds}
        answer["error"] = errors.get(torch.float32, errors.get(None))
        answer |= {"exact": errors[torch.float64]} if torch.float64 in errors else {}
        torch._dynamo.reset()
    module = _for_training(network)
    fast, samples = compiled(module, side), _samples(network, module, 0, torch.float32)

    def step(run: nn.Module) -> None:
        module.zero_grad()
        _loss(run, samples).backward()

    return answer | timed(lambda: step(module), lambda: step(fast))


def _for_training(network: Network) -> nn.Module:
    """A network that drops nothing, so that all sides can be compared."""
    module = prepared(network).train()
    for each in module.modules():
        if isinstance(each, nn.Dropout) or type(each).__name__ == "StochasticDepth":
            each.p = 0.0
        elif isinstance(each, nn.MultiheadAttention | nn.RNNBase):
            each.dropout = 0.0
    return module


def _samples(network: Network, module: nn.Module, seed: int, kind: torch.dtype) -> _Samples:
    fed = {name: _in(kind, value) for name, value in drawn(network, sized(network, BATCH), 10 + seed).items()}
    with torch.no_grad():
        made = _numbers(module.eval()(**fed))
    module.train()
    return _Samples(fed, [torch.randn_like(y) for y in made])


def _in(kind: torch.dtype, value: Any) -> Any:
    return value.to(kind) if isinstance(value, Tensor) and value.is_floating_point() else value


def _numbers(tree: object) -> list[Tensor]:
    """The results that gradients flow from."""
    return [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def _loss(run: nn.Module, samples: _Samples) -> Tensor:
    made = zip(_numbers(run(**samples.fed)), samples.targets, strict=True)
    return sum((nn.functional.mse_loss(y, target) for y, target in made), torch.zeros(()))


def _round(module: nn.Module) -> None:
    """Gives the module rectifiers without kinks."""
    for parent in [*module.modules()]:
        for name, child in [*parent.named_children()]:
            if isinstance(child, nn.ReLU | nn.ReLU6):
                setattr(parent, name, nn.Softplus())


def _trained(network: Network, make: Callable[[nn.Module], torch.optim.Optimizer], kind: torch.dtype | None) -> float:
    """The largest relative difference of losses, gradients and weights in some steps.

    Args:
        network: what is trained.
        make: the optimiser.
        kind: the type to compute in; None for float32 with round rectifiers.
    """
    torch._dynamo.reset()
    eager, module = _for_training(network), _for_training(network)
    for each in (eager, module):
        _round(each) if kind is None else each.to(kind)
    fast = compiled(module, "xir")
    sides = ((eager, eager, make(eager)), (module, fast, make(module)))
    worst = 0.0
    for number in range(STEPS):
        samples, losses = _samples(network, eager, number, kind or torch.float32), []
        for own, run, _ in sides:
            own.zero_grad()
            loss = _loss(run, samples)
            loss.backward()
            losses.append(float(loss.detach()))
        worst = max(
            worst, abs(losses[1] - losses[0]) / abs(losses[0]), _of_norms(_gradients(module), _gradients(eager))
        )
        for _, _, optimizer in sides:
            optimizer.step()
    return max(worst, _of_norms([*module.parameters()], [*eager.parameters()]))


def _gradients(module: nn.Module) -> list[Tensor]:
    return [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


def _of_norms(made: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    """The norm of the difference of all elements divided by the norm of all elements."""
    pairs = zip(made, wanted, strict=True)
    off = sum(float((mine.detach().double() - theirs.detach().double()).square().sum()) for mine, theirs in pairs)
    return math.sqrt(off / sum(float(theirs.detach().double().square().sum()) for theirs in wanted))


def timed(eager: Callable[[], object], fast: Callable[[], object]) -> Answer:
    """The smallest times in seconds, and the smallest and the largest quotient of a round."""
    fast()
    eager()
    rounds = [(_fastest(eager), _fastest(fast)) for _ in range(ROUNDS)]
    quotients = [mine / theirs for theirs, mine in rounds]
    best = {"eager": min(theirs for theirs, _ in rounds), "seconds": min(mine for _, mine in rounds)}
    return best | {"low": min(quotients), "high": max(quotients)}


def _fastest(call: Callable[[], object]) -> float:
    best, spent = math.inf, 0.0
    call()
    while spent < SECONDS:
        started = time.perf_counter()
        call()
        taken = time.perf_counter() - started
        best, spent = min(best, taken), spent + taken
    return best


if __name__ == "__main__":
    main(*sys.argv[1:])
