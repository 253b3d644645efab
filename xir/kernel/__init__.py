"""The loop IR of all compilers: grammar, builders, verifier, printer, and the interpreter that is the oracle."""
