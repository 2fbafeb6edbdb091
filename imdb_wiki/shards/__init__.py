"""Prepared faces in a few large files, which a training reads without a list of all names."""
