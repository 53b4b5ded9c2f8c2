"""Dead letters, looked at and sent back: read -> filter -> choose -> copy. Nothing here deletes."""
