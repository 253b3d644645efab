"""Small programs that show what a reader must read: `python -m tests.frontends.torch.oracle ...oracle.small:cases`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.frontends.torch.oracle.case import Case


def cases() -> Iterator[Case]:
    """The cases."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=1, max=64)
    mlp = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3)).eval()
    yield Case("mlp", mlp, (torch.randn(4, 5),))
    yield Case(
        "mlp with symbolic batch",
        mlp,
        (torch.randn(4, 5),),
        dynamic_shapes=({0: batch},),
        more=[((torch.randn(7, 5),), {}), ((torch.randn(1, 5),), {})],
    )
    conv = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 3)).eval()
    yield Case("conv", conv, (torch.randn(2, 3, 8, 8),))
    yield Case(
        "conv with symbolic batch",
        conv,
        (torch.randn(2, 3, 8, 8),),
        dynamic_shapes=({0: batch},),
        more=[((torch.randn(5, 3, 8, 8),), {})],
    )
