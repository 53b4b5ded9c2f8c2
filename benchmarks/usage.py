"""CPU and memory of a process, seen from outside."""

import time

import psutil


def cpu_s(pid: int) -> float:
    """User and system seconds so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def settled_cpu_s(pid: int, *, limit_s: float = 60.0) -> float:
    """`cpu_s` once the process is idle, so that work it puts off is counted too."""
    deadline = time.monotonic() + limit_s
    before = cpu_s(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        now = cpu_s(pid)
        if now - before < 0.05:
            return now
        before = now
    return before


def rss_mb(pid: int) -> float:
    """Resident memory, MB of 10^6 bytes."""
    return float(psutil.Process(pid).memory_info().rss / 1e6)
