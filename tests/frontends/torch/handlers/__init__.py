"""Handlers of PyTorch's operators against what PyTorch computes.

`families/*.py` say the calls; `python -m tests.frontends.torch.handlers.record` asks torch (2.13) for the results and
keeps them in `expected/*.npz`, so that the tests need no torch. `core.py` has the calls of every overload of core ATen
in every type.
"""
