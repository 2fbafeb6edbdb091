"""A model's file and the `.json` beside it: saved, loaded, asked; framing and intervals."""

from pathlib import Path

SHIPPED_MODEL = Path(__file__).parents[2] / "models" / "compact.keras"  # included in this project
