"""TorchScript archives (`torch.jit.save`), without torch: their own language, read and followed."""
