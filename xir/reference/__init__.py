"""The reference runtime: NumPy, written for truth; every other way to run a graph is compared with it."""

from xir.reference.execute import run
from xir.reference.inputs import random_inputs

__all__ = ["random_inputs", "run"]
