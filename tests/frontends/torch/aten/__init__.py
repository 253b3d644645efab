"""Calls of ATen operators with what PyTorch makes of them.

`families/*.py` say the calls, with inputs from a seeded generator; `python -m tests.frontends.torch.aten.record` asks
torch (2.13) for the results and keeps them in `expected.npz`, so that the tests need no torch.
"""
