"""One module for each library: `value`, `gradient`, `jvp`, `hessian`, its `np` and `sp`, and `versions`. See ../README.md."""
