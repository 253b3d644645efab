"""Live modules of PyTorch; without torch `test_standin.py` tests the same reader."""

from __future__ import annotations

import numpy as np
import pytest

import xir
from xir.errors import UnsupportedError, UsageError

torch = pytest.importorskip("torch", reason="live modules need torch")


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 8)
        self.norm = torch.nn.BatchNorm1d(8)

    def forward(self, x: torch.Tensor, scale: float = 2.0) -> dict[str, object]:
        y = self.norm(self.linear(x)).relu()
        return {"a": y * scale, "b": [y.half(), y.to(torch.bfloat16)]}


def test_a_module_becomes_a_graph() -> None:
    torch.manual_seed(0)
    module = Block().eval()
    graph = xir.load(module, example_inputs=(torch.randn(3, 4),), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert graph.output_names == ("a", "b.0", "b.1")
    x = torch.randn(5, 4)
    made = xir.run(graph, {"x": x.numpy()})
    wanted = module(x)
    np.testing.assert_allclose(made["a"], wanted["a"].detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["b.0"], wanted["b"][0].detach().numpy(), rtol=1e-3, atol=1e-3)
    assert made["b.1"].dtype.name == "bfloat16"


def test_nodes_name_their_module_and_line() -> None:
    graph = xir.load(Block().eval(), example_inputs={"x": torch.randn(3, 4)})
    sources = {source.kind: source for node in graph.nodes for source in node.source}
    assert sources["aten.linear.default"].path == ("linear",)
    assert str(sources["aten.relu.default"].location).partition(":")[0].endswith("test_load.py")


def test_weights_are_shared() -> None:
    module = Block().eval()
    graph = xir.load(module, example_inputs=(torch.randn(3, 4),))
    weight = next(each.constant for each in graph.parameters if graph.name_of(each.value) == "linear.weight")
    assert weight.array().__array_interface__["data"][0] == module.linear.weight.data_ptr()


def test_an_exported_program_and_a_graph_module_are_read_directly() -> None:
    module, x = Block().eval(), torch.randn(3, 4)
    exported = torch.export.export(module, (x,))
    wanted = module(x)["a"].detach().numpy()
    for graph in (xir.load(exported), xir.load(exported.module(), example_inputs=(x,))):
        np.testing.assert_allclose(xir.run(graph, {"x": x.numpy()})["a"], wanted, rtol=1e-5, atol=1e-6)


def test_state_that_a_module_changes_goes_in_and_out() -> None:
    graph = xir.load(Block(), example_inputs=(torch.randn(3, 4),))
    assert "norm.running_mean" in graph.input_names
    assert "norm.running_mean.new" in graph.output_names


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "what it is called with"),
        ({"example_inputs": (1,), "source": 5}, "loads no int"),
        ({"example_inputs": (1,), "source": "a.onnx"}, "of its inputs already"),
    ],
)
def test_what_cannot_be_loaded(arguments: dict[str, object], said: str) -> None:
    source = arguments.pop("source", Block())
    with pytest.raises(UsageError, match=said):
        xir.load(source, **arguments)


class Traced(torch.nn.Module):
    """What torch.export refuses, for it asks a tensor for an array."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> tuple[object, ...]:
        weights = torch.from_numpy(torch.ones(4).numpy())
        y = self.norm(x) * weights
        y[:, 1:].mul_(2)
        first, second = torch.split(y, 2, 1)
        return first, second.sort(1), torch.tensor([1.0, 2.0]) * 3


def test_one_run_is_followed_where_export_refuses() -> None:
    torch.manual_seed(0)
    module, x = Traced(), torch.randn(5, 4)
    with pytest.warns(UserWarning, match=r"one run of the module"):
        graph = xir.load(module, example_inputs=(x,))
    assert module.norm.num_batches_tracked.item() == 0
    state = {name: array.numpy().copy() for name, array in module.named_buffers()}
    made = xir.run(graph, {"x": x.numpy(), **state})
    first, (values, places), scaled = module(x)
    state = {f"{name}.new": array for name, array in module.named_buffers()}
    for name, wanted in zip(graph.output_names, (first, values, places, scaled), strict=False):
        np.testing.assert_allclose(made[name], wanted.detach().numpy(), rtol=1e-5, atol=1e-5)
    for name, wanted in state.items():
        np.testing.assert_allclose(made[name], wanted.numpy(), rtol=1e-5, atol=1e-6)


class Branch(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x + 1
        return x - 1


def test_a_branch_on_elements_stays_a_branch() -> None:
    with pytest.warns(UserWarning, match=r"what torch\.jit\.script makes of it"):
        graph = xir.load(Branch(), example_inputs=(torch.ones(3),))
    for x in (np.ones(3, np.float32), -np.ones(3, np.float32)):
        (made,) = xir.run(graph, {"x": x}).values()
        np.testing.assert_array_equal(made, x + np.sign(x))


class Picked(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.Linear(3, 3)

    def forward(self, images: list[torch.Tensor], least: float = 0.5) -> list[torch.Tensor]:
        found: list[torch.Tensor] = []
        for image in images:
            y = self.norm(image)
            if int((y > least).sum()) > 100:
                y = y * 2
            found.append(y[y > least])
        return found


def test_lists_and_numbers_are_taken() -> None:
    torch.manual_seed(0)
    module, images = Picked(), [torch.randn(4, 3), torch.randn(5, 3)]
    with pytest.warns(UserWarning, match=r"torch\.jit\.script"):
        graph = xir.load(module, example_inputs={"images": images, "least": 0.25})
    made = xir.run(graph, {"images.0": images[0].numpy(), "images.1": images[1].numpy()}).values()
    for array, wanted in zip(made, module(images, 0.25), strict=True):
        np.testing.assert_allclose(array, wanted.detach().numpy(), rtol=1e-5)


class Escape(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.numpy() + 1)


class Masked(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ones(1).numpy()
        return x[x > 0]


class Wrong(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unknown()


@pytest.mark.parametrize("module", [Escape(), Masked(), Wrong()], ids=lambda module: type(module).__name__)
def test_what_depends_on_elements_is_refused_with_its_line(module: torch.nn.Module) -> None:
    with pytest.raises(UnsupportedError, match=r"test_load\.py:\d+: ") as caught:
        xir.load(module, example_inputs=(torch.ones(3),))
    assert "torch.export does not take the module" in caught.value.message
    assert "torch.jit.script" in caught.value.message


class Steps(torch.nn.Module):
    """A run of more calls than one of them nests, which torch.export and torch.jit.script refuse."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ones(1).numpy()
        for _ in range(30):
            x = x * 0.5 + 1
        return x


def test_a_run_of_many_calls_is_followed() -> None:
    with pytest.warns(UserWarning, match=r"torch\.jit\.script does not take the module"):
        graph = xir.load(Steps(), example_inputs=(torch.ones(3),))
    (made,) = xir.run(graph, {"x": np.ones(3, np.float32)}).values()
    np.testing.assert_allclose(made, Steps()(torch.ones(3)), rtol=1e-6)


class Packs(torch.nn.Module):
    """Sequences of several lengths, sorted by PyTorch's own code; torch.export and torch.jit.script refuse them."""

    def __init__(self, kind: str, is_longest: bool) -> None:
        super().__init__()
        self.layers = getattr(torch.nn, kind)(4, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.is_longest = is_longest

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[object, ...]:
        torch.ones(1).numpy()
        rnn = torch.nn.utils.rnn
        made, states = self.layers(rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        length = None if self.is_longest else x.shape[1]
        return *rnn.pad_packed_sequence(made, batch_first=True, padding_value=7.0, total_length=length), states


@pytest.mark.parametrize("is_longest", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_packed_sequences_are_followed(kind: str, is_longest: bool) -> None:
    torch.manual_seed(0)
    module, x = Packs(kind, is_longest).eval(), torch.randn(3, 6, 4)
    with pytest.warns(UserWarning, match="one run of the module"):
        graph = xir.load(module, example_inputs=(x, torch.tensor([3, 6, 4])))
    for lengths in (torch.tensor([3, 6, 4]), torch.tensor([2, 1, 5])):
        made = xir.run(graph, {"x": x.numpy(), "lengths": lengths.numpy()}).values()
        for array, wanted in zip(made, torch.utils._pytree.tree_leaves(module(x, lengths)), strict=True):
            np.testing.assert_allclose(array, wanted.detach().numpy(), rtol=1e-5, atol=1e-6)


class Asked(torch.nn.Module):
    """Asks an operator that answers a bool of Python, and is not marked as one that reads elements."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.ones(1).numpy()
        if torch._nested_tensor_from_mask_left_aligned(x, x[:, :, 0] > 0):
            return x + 1
        return x


def test_a_bool_of_python_is_no_part_of_a_run() -> None:
    with pytest.raises(UnsupportedError, match=r"test_load\.py:\d+: what is computed from the inputs"):
        xir.load(Asked(), example_inputs=(torch.ones(2, 3, 1),))


def test_symbols_are_not_given_up() -> None:
    with pytest.raises(UnsupportedError, match=r"test_load\.py:\d+: "):
        xir.load(Escape(), example_inputs=(torch.ones(3),), dynamic_shapes=({0: torch.export.Dim("n")},))
