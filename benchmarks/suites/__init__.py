"""One file per question; `run(bench)` answers it."""
