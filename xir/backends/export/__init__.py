"""Writing graphs as files of other formats, one room a format."""
