"""xir inside other people's interfaces: `onnx.backend`, for now."""
