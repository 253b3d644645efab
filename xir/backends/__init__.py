"""What a graph becomes: files of other formats, and (with the compilers) programs."""
