"""The training of the compact network, or of any other that answers a distribution of ages."""
