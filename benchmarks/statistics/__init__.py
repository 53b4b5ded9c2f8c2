"""Simulations of everything that `streamapp.experiment` promises."""
