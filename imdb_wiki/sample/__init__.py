"""Draws cartoons of faces: the paper, the people, and the strokes that make a face of them."""
