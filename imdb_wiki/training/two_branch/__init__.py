"""The training of the notebook's two-branch network."""
