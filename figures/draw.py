"""Draws the figures of the README: python figures/draw.py (the sample must be prepared)."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # only errors; must stand before the import
sys.path.insert(0, str(Path(__file__).parents[1]))

from imdb_wiki import plots
from imdb_wiki.networks.two_branch import two_branch_cnn
from imdb_wiki.pipeline import read_split
from imdb_wiki.plots import diagrams

REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    """Draws the process, the network and faces of the sample."""
    figures = {
        "process": diagrams.process_diagram(),
        "network": diagrams.network_diagram(two_branch_cnn()),
        "sample_faces": plots.face_grid(read_split(REPOSITORY / "data/sample", "train")),
    }
    for name, figure in figures.items():
        plots.save(figure, REPOSITORY / "figures" / f"{name}.png")


if __name__ == "__main__":
    main()
