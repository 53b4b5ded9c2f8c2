"""Every figure the README quotes, as a command: `python -m benchmarks`."""
