"""Train, compare, explain and apply deep networks for RNA-protein binding and blood cells."""

__version__ = "0.1.0"
