"""LLVM: modules of text to machine code in memory. llvmlite is imported when it is used."""

from __future__ import annotations

import atexit
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from xir.errors import MissingExtraError, UnsupportedError
from xir.runtime.cache import Cache, cache_folder, key_of
from xir.runtime.program import Entry, Stretch, Work

if TYPE_CHECKING:
    from llvmlite import binding

LEVEL = 2
"""LLVM's level of optimization for the selection of instructions."""
HINT = "pip install 'xir-compiler[cpu]'"


@dataclass(frozen=True, slots=True)
class Machine:
    """What code is made for.

    Attributes:
        cpu: LLVM's name of the processor.
        features: LLVM's list of what it has, `+avx2,-sse4a,...`.
        lanes: elements of 32 bits in a vector register.
        registers: how many vector registers there are.
        arch: the architecture, `x86_64` or `aarch64`.
    """

    cpu: str
    features: str
    lanes: int
    registers: int
    arch: str = "x86_64"

    @property
    def multiplies_bytes(self) -> bool:
        """Whether one instruction sums four products of bytes in each lane (VPDPBUSD)."""
        return ("+avx512vnni" if self.lanes == 16 else "+avxvnni") in self.features.split(",")


def check_platform() -> None:
    """Refuses where nothing can be compiled.

    Raises:
        MissingExtraError: if llvmlite is not installed.
        UnsupportedError: on another platform than Linux on x86-64.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise UnsupportedError(
            f"compiling is for Linux on x86-64, this is {sys.platform} on {platform.machine()}",
            hint="xir.run and conversion work here",
        )
    try:
        import_module("llvmlite.binding")
    except ImportError:
        raise MissingExtraError("llvmlite is not installed; the CPU compiler needs it", hint=HINT) from None


@cache
def host() -> Machine:
    """This machine.

    Raises:
        MissingExtraError: if llvmlite is not installed.
        UnsupportedError: on another platform than Linux on x86-64, or without AVX2 and FMA.
    """
    check_platform()
    from llvmlite import binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    found = llvm.get_host_cpu_features()
    if not (found.get("avx2") and found.get("fma")):
        raise UnsupportedError("this processor has no AVX2 and FMA", hint="xir.run works here")
    wide = bool(found.get("avx512f") and found.get("avx512vl") and found.get("avx512dq") and found.get("avx512bw"))
    return Machine(llvm.get_host_cpu_name(), found.flatten(), 16 if wide else 8, 32 if wide else 16)


class Code:
    """Machine code in memory; it lives as long as this object.

    Attributes:
        key: under which its object lies in the cache.
    """

    def __init__(self, made: bytes, key: bytes, target: binding.TargetMachine) -> None:
        """Loads an object."""
        from llvmlite import binding as llvm

        self.key = key
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        loaded = llvm.ObjectFileRef.from_data(made)
        self._engine.add_object_file(loaded)
        self._engine.finalize_object()
        self._parts = (loaded, made, target)  # the engine itself does not keep them

    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._engine.get_function_address(name))


def native(
    code: Code,
    name: str,
    moments: tuple[tuple[int, ...], ...],
    writes: tuple[int, ...],
    *,
    work: Work | None,
    fault: int | None,
) -> Stretch:
    """The stretch whose function has this name; the rest is as in `Stretch`."""
    address = code.address(name)
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2, ctypes.c_void_p)
    entry: Entry = prototype(address)
    return Stretch(name, entry, address, moments, writes, work, fault)


def _target(machine: Machine, level: int) -> binding.TargetMachine:
    from llvmlite import binding as llvm

    return llvm.Target.from_default_triple().create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=level, jit=True
    )


def version() -> str:
    """LLVM's version."""
    from llvmlite import binding as llvm

    return ".".join(map(str, llvm.llvm_version_info))


def assembled(key: bytes, machine: Machine) -> Code | None:
    """The machine code whose object lies in the cache under a key, made for this machine; None where it does not."""
    made = Cache(cache_folder()).get(key)
    return None if made is None else Code(made, key, _target(machine, LEVEL))


def assemble(text: str, machine: Machine, *, level: int = LEVEL) -> Code:
    """Machine code of a module, from the cache if it was made before: then the text is not even parsed.

    Args:
        text: the module.
        machine: what it is made for.
        level: LLVM's level of optimization for the selection of instructions.
    """
    cache = Cache(cache_folder())
    key = key_of([text, machine.cpu, machine.features, version(), str(level), *PASSES])
    with _gate():
        target = _target(machine, level)
        made = cache.get(key)
        if made is None:
            made = target.emit_object(_optimized(text, target))
            cache.put(key, made)
        return Code(made, key, target)


PATIENCE = 10.0
"""Seconds to wait for LLVM, in a thread that nobody joins, when the interpreter ends."""


@cache
def _gate() -> AbstractContextManager[bool]:
    """Held while LLVM works.

    A process that is forked off has none of LLVM's own locks held by a thread that it does not have, and the end of the
    process does not destroy what LLVM still works on: then no other thread passes any more.
    """
    lock = threading.RLock()
    os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    atexit.register(lock.acquire, timeout=PATIENCE)
    return lock


BASES = {"x86_64": ("x86_64-unknown-linux-gnu", "x86-64"), "aarch64": ("aarch64-unknown-linux-gnu", "generic")}
"""{architecture: (LLVM's triple, the least processor of it)}."""


def object_code(text: str, arch: str, exported: Collection[str]) -> bytes:
    """The object file of a module, which may lie anywhere.

    Args:
        text: the module; functions for a better processor than the least say so themselves.
        arch: the architecture.
        exported: the names of the functions that others see.
    """
    from llvmlite import binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.initialize_native_asmparser()  # for `cpuid`
    triple, cpu = BASES[arch]
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=2, reloc="pic", codemodel="small")
    module = _optimized(f'target triple = "{triple}"\n{text}', target)
    for function in module.functions:
        if not function.is_declaration and function.name not in exported:
            function.linkage = "internal"
    return target.emit_object(module)


PASSES = ("sroa", "instruction_combine", "simplify_cfg")
"""What generated loops need: stack memory to registers, simpler instructions.

Not NewGVN, which LLVM's own pipelines leave out, too: behind the second pass it let masked elements be read.
"""


def _optimized(text: str, target: binding.TargetMachine) -> binding.ModuleRef:
    """The module, its functions made simpler."""
    from llvmlite import binding as llvm

    module = llvm.parse_assembly(text)
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=1))
    manager = llvm.create_new_function_pass_manager()
    add = {
        "sroa": manager.add_sroa_pass,
        "instruction_combine": manager.add_instruction_combine_pass,
        "simplify_cfg": manager.add_simplify_cfg_pass,
    }
    for name in PASSES:
        add[name]()
    for function in module.functions:
        if not function.is_declaration:
            manager.run(function, builder)
    return module
