"""ONNX's operators as ours, one file a family; `_tables` merges them."""
