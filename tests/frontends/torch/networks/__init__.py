"""Networks of PyTorch's libraries, with random weights, in every way that they come into xir and leave it.

    python -m tests.frontends.torch.networks                                   # all of them: hours
    python -m tests.frontends.torch.networks torchvision.resnet18 --ways pt2,symbolic
    python -m tests.frontends.torch.networks --only nn. --again --table docs/pytorch_networks.md

`rows/` holds the networks, a file a family; `ways.py` what is done with one; `one.py` does it in a process of its own.
The command adds a line of JSON to `measured.jsonl` for each, so that a run that was stopped goes on where it was.
"""
