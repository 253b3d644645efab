"""Pickles, as data: torch.save's files in each layout that there was, the storages of tensors, our own unpickler."""
