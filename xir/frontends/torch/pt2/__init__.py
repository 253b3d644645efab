"""Archives of torch.export (`.pt2`), read without torch."""
