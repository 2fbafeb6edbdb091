"""A model's file and the `.json` beside it: saved, loaded, asked; framing and intervals."""
