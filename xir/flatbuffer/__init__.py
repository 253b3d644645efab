"""Flatbuffers by a table of facts: a bounded reader and a writer of what the TFLite schema says."""
