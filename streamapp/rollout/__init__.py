"""Rollouts as people start, watch and end them."""
