"""The page to try a model in a browser."""
