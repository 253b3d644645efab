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
TOLERANCE = 1e-4
"""Of the norm of all gradients, and of all weights. In networks of many rectifiers some activations lie within rounding
of zero, where the gradient jumps: float32 results of any two libraries may differ by whole gradients then. Where they
differ by more than this, gradients are compared with rectifiers that are round at zero, and in float64 as they are."""

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


def compiled(module: nn.Module, side: str) -> nn.Module:
    """The module on this side."""
    options = {"threads": 1} if side == "xir" else None
    return torch.compile(module, backend=side, options=options)


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
    fast = compiled(module, side)
    with torch.no_grad():
        if side != "xir":
            return timed(lambda: module(**fed), lambda: fast(**fed))
        errors = [_difference(module, fast, _marked(network, drawn(network, sized(network, n)))) for n in (2, 3)]
        torch._dynamo.reset()
        errors.append(_difference(module, fast, fed))
        return {"error": max(errors)} | timed(lambda: module(**fed), lambda: fast(**fed))


def _marked(network: Network, fed: dict[str, Any]) -> dict[str, Any]:
    """The inputs with symbols for the batch and for lengths; formulas of heights and widths take long to trace."""
    for name, axes in network.axes.items():
        for axis in (axis for axis, symbol in axes.items() if symbol not in ("h", "w")):
            torch._dynamo.maybe_mark_dynamic(fed[name], axis)
    return fed


def _difference(module: nn.Module, fast: nn.Module, fed: Mapping[str, Any]) -> float:
    """The largest error relative to the largest element of its result."""
    wanted, made = flat(module(**fed)), flat(fast(**fed))
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
    module = _for_training(network, torch.float32)
    fast = compiled(module, side)
    if side == "xir":
        answer["error"] = _error(network, torch.float32)
        if answer["error"] > TOLERANCE:
            answer["round"] = _error(network, torch.float32, is_round=True)
            answer["exact"] = _error(network, torch.float64)
    samples = _samples(network, module, 0, torch.float32)

    def step(run: nn.Module) -> None:
        module.zero_grad()
        _loss(run, samples).backward()

    return answer | timed(lambda: step(module), lambda: step(fast))


def _for_training(network: Network, kind: torch.dtype, *, is_round: bool = False) -> nn.Module:
    """A network of this type that drops nothing, so that all sides can be compared.

    Args:
        network: which.
        kind: the type of its weights.
        is_round: whether its rectifiers have no kinks.
    """
    module = prepared(network).train()
    for each in [*module.modules()]:
        if isinstance(each, nn.Dropout) or type(each).__name__ == "StochasticDepth":
            each.p = 0.0
        for name in [name for name, held in vars(each).items() if "drop" in name and isinstance(held, float)]:
            setattr(each, name, 0.0)  # layers that call dropout as a function
        for name, child in [*each.named_children()] if is_round else ():
            if isinstance(child, nn.ReLU | nn.ReLU6):
                setattr(each, name, nn.Softplus())
    return module.to(kind)


def _samples(network: Network, module: nn.Module, seed: int, kind: torch.dtype) -> _Samples:
    """Masks of padding are left out: what is computed of padding alone is no number, and has no gradient."""
    given = drawn(network, sized(network, BATCH), 10 + seed)
    fed = {name: _in(kind, value) for name, value in given.items() if not name.endswith("attention_mask")}
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


def _error(network: Network, kind: torch.dtype, *, is_round: bool = False) -> float:
    """The largest relative difference from eager of losses, gradients and weights, in some steps of each optimiser.

    Args:
        network: what is trained.
        kind: the type of its weights.
        is_round: whether its rectifiers have no kinks.

    Raises:
        RuntimeError: what was computed is not finite.
    """
    torch._dynamo.reset()
    eager, module = (_for_training(network, kind, is_round=is_round) for _ in range(2))
    fast = compiled(module, "xir")
    start = {name: weight.clone() for name, weight in module.state_dict().items()}
    errors: list[float] = []
    for make in OPTIMIZERS:
        module.load_state_dict(start)
        eager.load_state_dict(start)
        sides = ((eager, eager, make(eager)), (module, fast, make(module)))
        for number in range(STEPS):
            samples, losses = _samples(network, eager, number, kind), []
            for own, run, _ in sides:
                own.zero_grad()
                loss = _loss(run, samples)
                loss.backward()
                losses.append(float(loss.detach()))
            errors.append(abs(losses[1] - losses[0]) / abs(losses[0]))
            errors.append(_of_norms(_gradients(module), _gradients(eager)))
            for _, _, optimizer in sides:
                optimizer.step()
        errors.append(_of_norms([*module.parameters()], [*eager.parameters()]))
    if not all(map(math.isfinite, errors)):
        raise RuntimeError("losses or gradients are not finite")
    return max(errors)


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
