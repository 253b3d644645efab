"""Pickles and the checkpoints that are made of them."""
