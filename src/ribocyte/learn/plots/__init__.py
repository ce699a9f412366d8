"""Figures of runs, scores and searches, made for print: one column or one page wide, readable in grey.

Every function returns a `matplotlib.figure.Figure` that belongs to nobody: no pyplot, no window, and the
caller's own matplotlib settings are neither used nor changed. `save_figure` writes it.
"""

from __future__ import annotations

from ribocyte.learn.plots._bands import plot_bands
from ribocyte.learn.plots._curves import plot_comparison, plot_health, plot_history, plot_losses
from ribocyte.learn.plots._drawing import (
    COLUMN,
    PAGE,
    add_colourbar,
    blank_figure,
    house_style,
    name_panel,
    save_figure,
    shades,
)
from ribocyte.learn.plots._models import Curve, plot_costs, plot_effects, plot_profile
from ribocyte.learn.plots._predictions import plot_confusion, plot_density
from ribocyte.learn.plots._search import plot_importance, plot_trials

__all__ = [
    "COLUMN",
    "PAGE",
    "Curve",
    "add_colourbar",
    "blank_figure",
    "house_style",
    "name_panel",
    "plot_bands",
    "plot_comparison",
    "plot_confusion",
    "plot_costs",
    "plot_density",
    "plot_effects",
    "plot_health",
    "plot_history",
    "plot_importance",
    "plot_losses",
    "plot_profile",
    "plot_trials",
    "save_figure",
    "shades",
]
