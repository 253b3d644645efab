"""TFLite files: a bounded flatbuffer reader, the importer, and handlers by family."""
