"""One file per case; `NAMES` lists them in the order of the table.

What comes in: nothing. What goes out: modules with `VARIANTS` (sizes and targets), `inputs(**params)` (the data, as NumPy
arrays) and `SYSTEMS` (a name -> a function of a `Setup` that returns the call to measure and its result as NumPy arrays).
The first word of a system's name is the package that it imports; `C` and the baselines import none. A case module imports
NumPy only: wengert and its peers are imported by the functions of `SYSTEMS`, each in a process of its own.
"""

NAMES = ["rosenbrock", "unstaged", "first", "steps", "chain", "gmm", "bundle", "lstm", "mlp", "kalman", "hessian",
         "sparse", "minimize", "linalg", "convolution", "convnet", "transformer", "jacobian"]
