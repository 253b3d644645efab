"""The loop IR that all compilers share: grammar, builders, verifier, printer, and the interpreter that is the oracle."""
