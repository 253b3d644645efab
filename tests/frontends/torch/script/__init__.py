"""TorchScript archives: made by hand, and small ones that torch made."""
