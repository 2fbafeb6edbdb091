"""Tries values of the notebook's constants, and keeps those that validate best."""
