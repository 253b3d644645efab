"""PyTorch export: a graph as a readable `nn.Module`, its weights in safetensors beside it."""

from xir.backends.export.torch._pt2 import export_program
from xir.backends.export.torch._tables import FORMS
from xir.backends.export.torch.export import export_module, plan_module

__all__ = ["FORMS", "export_module", "export_program", "plan_module"]
