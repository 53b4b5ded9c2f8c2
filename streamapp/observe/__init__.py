"""Beside the hot path: metrics, drift, the join with delayed outcomes and live quality."""
