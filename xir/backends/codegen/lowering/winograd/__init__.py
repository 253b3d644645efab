"""Convolutions of 3 x 3 cells in fewer products."""
