"""The delivery modes that every case runs in."""

AT_LEAST_ONCE = "at_least_once"
EXACTLY_ONCE = "exactly_once"

DELIVERIES = (AT_LEAST_ONCE, EXACTLY_ONCE)
