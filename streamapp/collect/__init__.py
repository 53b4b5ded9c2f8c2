"""From a pipeline's topics to what `streamapp experiment report` reads: answers and labels, by unit of assignment.

plan -> dealing (who was dealt which keys, when) -> answers -> their events -> labels -> covariates -> lines
"""
