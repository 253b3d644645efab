"""The reference runtime: NumPy, written for truth; every other way to run a graph is compared with it."""

from xir.reference.execute import run
from xir.reference.inputs import made_up_inputs, random_inputs

__all__ = ["made_up_inputs", "random_inputs", "run"]
