"""One recipe per flow: source, stages, sinks."""
