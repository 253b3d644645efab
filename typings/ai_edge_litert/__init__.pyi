"""What xir uses of ai-edge-litert, which ships no types."""
