"""Prepared faces in a few large files, for data sets whose names do not fit into memory."""
