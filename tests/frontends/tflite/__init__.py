"""The TFLite frontend: models that the tests write, and what LiteRT makes of them."""
