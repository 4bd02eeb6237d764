"""Training: the loop that people write every time, with nothing hidden.

What comes in: a model (a tree of arrays), a loss, data, an optimizer. What goes out: a `Fit`: the trained model, and how it
came about. The one idea: an epoch goes through the data in batches; each batch is one update, a pure function that is
compiled once.
"""

from .data import minibatches
from .loop import fit
from .result import Fit, History

__all__ = ["Fit", "History", "fit", "minibatches"]
