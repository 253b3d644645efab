"""The command `xir`: one file a command, each a thin wrapper over one function of the library."""
