"""`torch.compile(backend="xir")` against PyTorch itself."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xir.errors import UsageError

torch = pytest.importorskip("torch", reason="torch.compile needs torch")
pytest.importorskip("llvmlite", reason="machine code needs llvmlite")

from xir.integrations import torch_compile  # noqa: E402
from xir.integrations.torch_compile import backend  # noqa: E402


@pytest.fixture(autouse=True)
def _fresh() -> None:
    torch._dynamo.reset()
    torch.manual_seed(0)


def compiled(model: object, **options: object) -> object:
    return torch.compile(model, backend=backend, options={"strict": True, **options})


def close(made: object, wanted: object) -> None:
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)


def test_torch_finds_the_backend() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    module, _, name = project["project"]["entry-points"]["torch_dynamo_backends"]["xir"].partition(":")
    assert (module, name) == (backend.__module__, backend.__name__)


def test_training_equals_eager() -> None:
    eager = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, 4)
    )
    model = copy.deepcopy(eager)
    step = compiled(model)
    for count in (6, 7):  # the second makes the size a symbol
        x, wanted = torch.randn(count, 8), torch.randint(0, 4, (count,))
        for each in (eager, step):
            each.zero_grad()
            torch.nn.functional.cross_entropy(each(x), wanted).backward()
        for mine, theirs in zip(model.parameters(), eager.parameters(), strict=True):
            close(mine.grad, theirs.grad)
        for mine, theirs in zip(model.buffers(), eager.buffers(), strict=True):
            close(mine, theirs)


def _several(x: torch.Tensor) -> tuple[object, ...]:
    return x, None, x.argmax(1), 3, x.view(-1), x + 1, x.t() * 2, (x > 0)


def _written(x: torch.Tensor) -> torch.Tensor:
    x.mul_(2)
    x[0] += 1
    return x.sum(0)


def _broken(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    torch._dynamo.graph_break()
    return y + x.shape[0]


def _sized(x: torch.Tensor) -> tuple[object, ...]:
    return x.new_zeros(x.shape[0] * 2), x.shape[0] + 1, x.reshape(-1, 2, 2)


def _wide(x: torch.Tensor) -> tuple[object, ...]:
    return x.double() * 2, x.to(torch.bfloat16) + 1, x.half(), x.to(torch.int32)


def _empty(x: torch.Tensor) -> tuple[object, ...]:
    return torch.zeros_like(x, dtype=torch.int32), torch.zeros_like(x.t()) + x.t()


@pytest.mark.parametrize("rule", [_several, _written, _broken, _sized, _wide, _empty])
@pytest.mark.parametrize("dynamic", [False, True])
def test_functions_equal_eager(rule: object, dynamic: bool) -> None:
    run = torch.compile(rule, backend=backend, dynamic=dynamic, options={"strict": True})
    for count in (3, 5):
        x = torch.randn(count, 4)
        mine, theirs = x.clone(), x.clone()
        close(run(mine), rule(theirs))
        close(mine, theirs)


def test_results_lie_as_eager_has_them() -> None:
    x = torch.randn(3, 4)
    made, same, zeros = torch.compile(lambda x: (x.t() * 2, x, torch.zeros_like(x.t())), backend=backend)(x)
    assert made.stride() == zeros.stride() == (1, 4)
    assert same.data_ptr() == x.data_ptr()


def _unaligned() -> torch.Tensor:
    return torch.frombuffer(
        bytearray(np.arange(13, dtype=np.float32).tobytes()), dtype=torch.float32, offset=1, count=12
    )


LAID: dict[str, Callable[[], torch.Tensor]] = {
    "as it is": lambda: torch.randn(2, 3, 4, 5),
    "axes turned": lambda: torch.randn(5, 4, 3, 2).permute(3, 0, 2, 1),
    "channels last": lambda: torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "with gaps": lambda: torch.randn(2, 3, 4, 10)[..., ::2],
    "repeated": lambda: torch.randn(2, 1, 4, 1).expand(2, 3, 4, 5),
    "negated": lambda: torch._neg_view(torch.randn(2, 3, 4, 5)),
    "without elements": lambda: torch.randn(2, 0, 4),
    "between addresses": _unaligned,
    "halves": lambda: torch.randn(4, 3).bfloat16().t(),
}


@pytest.mark.parametrize("give", LAID.values(), ids=LAID)
@pytest.mark.parametrize("dynamic", [False, True])
def test_arguments_are_read_however_they_lie(give: Callable[[], torch.Tensor], dynamic: bool) -> None:
    run = torch.compile(lambda x: (x * 2 + 1, x.sum(-1)), backend=backend, dynamic=dynamic, options={"strict": True})
    for _ in range(2):
        x = give()
        made, total = run(x)
        close(made, x * 2 + 1)
        close(total, x.sum(-1))
        if x.numel() and x.is_contiguous(
            memory_format=torch.channels_last if x.dim() == 4 else torch.contiguous_format
        ):
            assert made.stride() == (x * 2).stride()


def test_large_results_are_the_callers_own() -> None:
    run = torch.compile(lambda x: (x + 1).t(), backend=backend, options={"strict": True})
    x = torch.zeros(1 << 10, 1 << 11)
    first = run(x)
    place = first.data_ptr()
    second = run(x + 1)
    close(first, torch.ones(1 << 11, 1 << 10))
    del first
    assert run(x).data_ptr() == place
    assert second.stride() == (1, 1 << 11)


def test_numbers_that_no_tensor_has_are_sizes() -> None:
    run = torch.compile(lambda x, n: torch.ones(n) * x, backend=backend, dynamic=True, options={"strict": True})
    for number in (5, 7):
        close(run(torch.tensor(2.0), number), torch.full((number,), 2.0))


def test_weights_that_change_are_seen() -> None:
    model = torch.nn.Linear(4, 4).eval()
    run, x = compiled(model), torch.randn(2, 4)
    with torch.no_grad():
        for _ in range(6):
            close(run(x), model(x))
            model.weight.add_(1.0)
        model.weight = torch.nn.Parameter(torch.randn(4, 4))
        close(run(x), model(x))


def test_weights_may_stay_inputs() -> None:
    model = torch.nn.Linear(4, 4).eval()
    run, x = compiled(model, freeze=False, threads=1), torch.randn(2, 4)
    with torch.no_grad():
        close(run(x), model(x))
        model.weight.data.add_(1.0)
        close(run(x), model(x))


def test_what_xir_does_not_know_is_left_to_torch() -> None:
    def rule(x: torch.Tensor) -> torch.Tensor:
        return torch.special.hermite_polynomial_h(x, x.abs()) + 1

    x = torch.randn(3)
    with pytest.warns(UserWarning, match="special_hermite_polynomial_h"):
        close(torch.compile(rule, backend=backend)(x), rule(x))


@pytest.mark.filterwarnings("ignore:PyTorch runs what xir cannot compile")
def test_calls_that_torch_runs_cut_the_graph() -> None:
    def rule(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
        product = (x @ w).t()
        inner = torch.special.hermite_polynomial_h(product, product.abs())
        return (inner.t() * 2).relu() + x.shape[0], torch.special.legendre_polynomial_p(x, x.abs()), inner

    for dynamic in (False, True):
        run = torch.compile(rule, backend=backend, dynamic=dynamic)
        for count in (3, 5):
            x, w = torch.randn(count, 4), torch.randn(4, 4)
            for made, wanted in zip(run(x, w), rule(x, w), strict=True):
                close(made, wanted)
                assert made.stride() == wanted.stride()


def _drawn(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    y = torch.nn.functional.dropout(x * 2, 0.5)
    return y, torch.rand_like(y) + y, torch.bernoulli(y.sigmoid()), torch.randint(0, 9, (x.shape[0],)), torch.randn(2)


@pytest.mark.parametrize("dynamic", [False, True])
def test_random_numbers_are_those_of_eager(dynamic: bool) -> None:
    run = torch.compile(_drawn, backend=backend, dynamic=dynamic, options={"strict": True})
    for seed, count in enumerate((3, 5, 5)):
        x = torch.randn(count, 16)
        torch.manual_seed(seed)
        made, after = run(x), torch.rand(1)
        torch.manual_seed(seed)
        close(made, _drawn(x))
        close(after, torch.rand(1))
    assert not torch.equal(run(x)[1], run(x)[1])


def test_training_with_dropout_equals_eager() -> None:
    layers = [torch.nn.Linear(8, 16), torch.nn.Dropout(0.3), torch.nn.ReLU(), torch.nn.Dropout(0.5)]
    eager = torch.nn.Sequential(*layers, torch.nn.Linear(16, 4))
    model = copy.deepcopy(eager)
    run, x = compiled(model), torch.randn(6, 8)
    for seed in range(2):
        for each in (run, eager):
            torch.manual_seed(seed)
            each(x).square().sum().backward()
    for mine, theirs in zip(model.parameters(), eager.parameters(), strict=True):
        close(mine.grad, theirs.grad)


@pytest.mark.parametrize("more", [{"is_causal": True}, {"attn_mask": torch.ones(5, 7).tril().bool(), "scale": 0.3}])
def test_training_attention_equals_eager(more: dict[str, object]) -> None:
    def rule(*heads: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(*heads, **more).square().sum()

    heads = [torch.randn(2, 3, count, 8, requires_grad=True) for count in (5, 7, 7)]
    close(torch.autograd.grad(compiled(rule)(*heads), heads), torch.autograd.grad(rule(*heads), heads))


def test_training_bags_equals_eager() -> None:
    eager = torch.nn.EmbeddingBag(10, 4, mode="sum", padding_idx=3)
    model = copy.deepcopy(eager)
    words, starts, weights = torch.randint(0, 10, (11,)), torch.tensor([0, 3, 3, 7]), torch.randn(11)
    for each in (compiled(model), eager):
        each(words, starts, weights).square().sum().backward()
    close(model.weight.grad, eager.weight.grad)


def test_results_share_memory_as_in_eager() -> None:
    def rule(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = x * 2
        return y, y.view(-1), y[1:], x[0]

    x = torch.randn(3, 4)
    y, flat, rest, row = torch.compile(rule, backend=backend, options={"strict": True})(x)
    flat.zero_()
    assert not y.any()
    assert not rest.any()
    assert row.data_ptr() == x.data_ptr()


def test_complex_numbers() -> None:
    def rule(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        z = torch.fft.fft(x) * y
        return z.t() * 2, z.abs(), z

    run, x, y = compiled(rule), torch.randn(4, 4), torch.randn(4, 4, dtype=torch.complex64)
    for each in (y, y.conj(), y.t()):
        close(run(x, each), rule(x, each))


def test_other_devices_are_refused() -> None:
    with pytest.raises(Exception, match="device meta; the backend xir computes on the processor"):
        torch.compile(lambda x: x * 2, backend=backend)(torch.randn(3, device="meta"))


def test_sizes_that_are_marked_compile_once() -> None:
    made: list[object] = []

    def counting(graph: object, inputs: list[object]) -> object:
        made.append(graph)
        return backend(graph, inputs)

    model = torch.nn.Linear(8, 4)
    for mark, wanted in ((True, 1), (False, 2)):
        torch._dynamo.reset()
        made.clear()
        run = torch.compile(model, backend=counting)
        for count in range(2, 7):
            x = torch.randn(count, 8)
            if mark:
                torch._dynamo.mark_dynamic(x, 0)
            close(run(x), model(x))
        assert len(made) == wanted


@pytest.mark.parametrize("options", [{"mode": 1}, {"strict": 1}, {"threads": "all"}])
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        backend(torch.fx.symbolic_trace(torch.nn.ReLU()), [], options=options)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("LSTM", {"bidirectional": True, "batch_first": True}), ("GRU", {"bias": False}), ("RNN", {"dropout": 0.5})],
)
def test_trained_recurrent_layers_are_loops(kind: str, settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the sequence: 30 steps written one after the other are some 600 nodes."""
    counts: list[int] = []
    make = torch_compile.compile_optimized
    monkeypatch.setattr(
        torch_compile,
        "compile_optimized",
        lambda graph, **more: (counts.append(len(graph.nodes)), make(graph, **more))[1],
    )
    eager = getattr(torch.nn, kind)(3, 4, 1 + (kind == "RNN"), **settings)
    model, x = copy.deepcopy(eager), torch.randn(30, 2, 3)
    made: list[list[torch.Tensor]] = []
    for each, run in ((eager, eager), (model, compiled(model))):
        torch.manual_seed(1)
        own = x.clone().requires_grad_()
        with torch._dynamo.config.patch(allow_rnn=True):  # or such layers are never given to a backend
            y, states = run(own)
        (y.square().sum() + sum(one.pow(3).sum() for one in states)).backward()
        made.append([y.detach(), own.grad, *[weight.grad for weight in each.parameters()]])
    close(made[1], made[0])
    assert len(counts) >= 2
    assert max(counts) < 100
