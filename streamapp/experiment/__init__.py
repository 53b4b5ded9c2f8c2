"""Experiments between variants, by unit of assignment: outcomes -> units -> moments -> sequences -> report.

Every number here may be looked at at any moment; none needs a sample size that was fixed beforehand.
"""
