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


def stateful() -> Iterator[Case]:
    """Programs that write their buffers or inputs, as torch exports them and taken apart into core ATen."""
    import torch
    from torch import nn

    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("n", torch.zeros(()))
            self.register_buffer("cache", torch.randn(3, 6))
            self.k = torch.ones(6)

        def forward(self, x):
            self.n += 1
            self.cache[0] = x[0]
            self.cache.copy_(torch.roll(self.cache, 1, 0))
            return self.cache.sum(0) + self.n * self.k

    def changing(x):
        x.add_(1)
        x[:, 0] = 7
        return x * 2

    torch.manual_seed(0)
    x = torch.randn(4, 6)
    for decompose in (False, True):
        kind = " in core ATen" if decompose else ""
        yield Case(f"buffers{kind}", Counting(), (x,), decompose=decompose)
        yield Case(f"batch_norm in training{kind}", nn.BatchNorm1d(6).train(), (x,), decompose=decompose)
        yield Case(f"input{kind}", changing, (x,), decompose=decompose)
