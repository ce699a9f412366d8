"""Why a network gives an RNA the affinity it gives: what each nucleotide contributes, and what each other would.

Four methods, for any network that reads (N, 4, L) one-hot RNA and gives (N, P):

``mutagenesis``
    Every single substitution is tried. Exact, and holds for every network; sees one change at a time, so of two
    sites that stand in for each other it finds neither.
``integrated_gradients``
    Gradients summed along the way from references to the RNA (Sundararajan et al. 2017). Holds for every
    network that can be differentiated; complete.
``deep_lift_shap``
    DeepLIFT's rules, averaged over references (Shrikumar et al. 2017; Lundberg & Lee 2017). As complete, and far
    faster, but only where there is a rule for all that the network does: not for recurrence and attention.
``attention``
    Where a network with attention looks, which is not the same as what it makes of it.

Complete: what the nucleotides contribute adds up to the output's difference from the references' mean.
"""

from __future__ import annotations

from ribocyte.rna.attribution._attention import attention
from ribocyte.rna.attribution._attribution import Attribution
from ribocyte.rna.attribution._deep_lift import deep_lift_shap
from ribocyte.rna.attribution._gradients import integrated_gradients
from ribocyte.rna.attribution._mutagenesis import mutagenesis, mutational_attribution

__all__ = [
    "Attribution",
    "attention",
    "deep_lift_shap",
    "integrated_gradients",
    "mutagenesis",
    "mutational_attribution",
]
