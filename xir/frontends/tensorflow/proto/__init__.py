"""TensorFlow's protocol buffers, binary and as text, read from a table of field numbers and names."""
