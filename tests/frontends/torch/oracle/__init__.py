"""torch itself as the oracle of what xir reads of PyTorch.

A case is a module with example inputs. `export.py`, with torch, saves it by torch.export beside inputs and the results
that torch gets; `worker.py`, a process in which torch cannot be imported, reads the archive with xir and runs it, on
the reference and compiled; both are compared.

    python -m tests.frontends.torch.oracle mymodule:cases          # every case that mymodule.cases() yields
    python -m tests.frontends.torch.oracle path/to/cases.py:cases --only conv --on compiled
"""
