"""TensorFlow: graphs in protocol buffers, each node through its handler; TensorFlow itself is not needed."""
