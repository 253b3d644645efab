"""Running compiled programs: buffers, memory, threads. It knows machine code and buffers, not operators."""
