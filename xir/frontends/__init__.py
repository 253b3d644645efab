"""The readers of foreign formats, one room each: bytes become a plain foreign model, and that becomes a graph."""
