"""The pipeline file: its settings tree, and a loader whose errors name line, key and remedy."""
