"""PyTorch in: exported programs, TorchScript, checkpoints and live modules, by one table of ATen operators."""
