"""The same job done in other ways, one process each: `python -m benchmarks.contenders.NAME JOB`."""
