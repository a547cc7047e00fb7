"""Documents that are written down and read back: vocabulary, measurement, JSON Schema."""
