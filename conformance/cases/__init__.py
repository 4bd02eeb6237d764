"""The cases: each module is a group, in the order of `GROUPS`."""

GROUPS = ("elementary", "special", "arrays", "kinks", "matrices", "control", "writes", "dtypes", "nested", "libraries")
