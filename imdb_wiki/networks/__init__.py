"""The networks, in pure Keras: built-in layers only, so that a saved file loads without this code.

Every network takes `image` (batch, height, width, 3), RGB, 0–255, and answers a dictionary:
`age_years` (batch, 1) and `gender` (batch, 2), the probabilities of female and male; networks with
a distribution add `age_distribution` (batch, 101), the probability of each year from 0 to 100.
A network for one task, age or gender, lacks the other's outputs.

One file a network. A new one that defines a `Network` can be trained by its name:
`python -m imdb_wiki train --network NAME`.
"""

from imdb_wiki.networks.compact import compact_cnn as compact_cnn
from imdb_wiki.networks.network import Network as Network
from imdb_wiki.networks.network import tasks_of as tasks_of
from imdb_wiki.networks.transfer import transfer_network as transfer_network
from imdb_wiki.networks.two_branch import two_branch_cnn as two_branch_cnn
from imdb_wiki.registry import found_in

NETWORKS = found_in(__name__, Network)
