"""Libraries and objects that need neither Python nor xir."""
