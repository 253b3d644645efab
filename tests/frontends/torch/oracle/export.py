"""With torch: cases become archives, inputs and expected results in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.frontends.torch.oracle import arrays
from tests.frontends.torch.oracle.case import Case


def array_of(item: Any) -> np.ndarray | None:
    """A tensor or number as an array; None for what no tensor is."""
    import torch

    if isinstance(item, torch.Tensor):
        held = item.detach().cpu().contiguous()
        if held.dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
            width = torch.uint16 if held.dtype is torch.bfloat16 else torch.uint8
            return held.view(width).numpy().view(arrays.named(str(held.dtype).removeprefix("torch.")))
        return held.resolve_conj().resolve_neg().numpy()
    return np.asarray(item) if isinstance(item, bool | int | float) else None


def flat(item: Any) -> list[np.ndarray]:
    """The tensors and numbers in a tree, in torch's order."""
    import torch.utils._pytree as pytree

    return [array for leaf in pytree.tree_leaves(item) if (array := array_of(leaf)) is not None]


class _Function:
    """Makes a module of a function."""

    def __new__(cls, function: Any) -> Any:
        import torch

        class Function(torch.nn.Module):
            def forward(self, *args: Any, **kwargs: Any) -> Any:
                return function(*args, **kwargs)

        return Function()


def export(case: Case, folder: Path) -> None:
    """Writes `model.pt2`, and `inputs_N`, `outputs_N` and `state_N` (buffers after the run) for each set of inputs.

    Raises:
        Exception: whatever torch raises.
    """
    import torch

    model, shapes = case.model, case.dynamic_shapes
    if not isinstance(model, torch.nn.Module):
        model, shapes = _Function(model), {"args": shapes} if isinstance(shapes, tuple) else shapes
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, case.args, dict(case.kwargs), dynamic_shapes=shapes, strict=case.strict)
        if case.decompose:
            program = program.run_decompositions()
        torch.export.save(program, folder / "model.pt2")
        for number, (args, kwargs) in enumerate([(case.args, case.kwargs), *case.more]):
            arrays.save(folder / f"inputs_{number}", fed(program, args, kwargs))
            torch.manual_seed(0)
            runnable, given, named = program.module(), _copies(args), _copies(dict(kwargs))
            arrays.save(folder / f"outputs_{number}", flat(runnable(*given, **named)))
            state = {name: array_of(held) for name, held in runnable.named_buffers()}
            (folder / f"names_{number}.txt").write_text("\n".join(state))
            arrays.save(folder / f"state_{number}", list(state.values()))


def fed(program: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[np.ndarray]:
    """The inputs that the program takes, without those that are constants in it."""
    import torch
    import torch.utils._pytree as pytree
    from torch.export.graph_signature import ConstantArgument, InputKind

    names = [key for key in program.module_call_graph[0].signature.forward_arg_names or () if key in kwargs]
    ordered = {key: kwargs[key] for key in (*names, *(key for key in kwargs if key not in names))}
    leaves = pytree.tree_leaves((args, ordered))
    specs = [spec for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT]
    kept = [leaf for spec, leaf in zip(specs, leaves, strict=True) if not isinstance(spec.arg, ConstantArgument)]
    return [array_of(leaf) if isinstance(leaf, torch.Tensor) else np.asarray(leaf) for leaf in kept]


def _copies(tree: Any) -> Any:
    """The tree with copies of its tensors: a model may write them."""
    import torch
    import torch.utils._pytree as pytree

    return pytree.tree_map(lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, tree)
