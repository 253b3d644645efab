"""Checkpoints of TensorFlow: tables of LevelDB's form, and the tensors that they tell of."""
