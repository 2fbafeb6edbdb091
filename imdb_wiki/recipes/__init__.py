"""A chain of trainings in one file, and one command that runs it."""
