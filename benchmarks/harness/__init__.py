"""The machinery of the benchmarks: cases, worker processes, C sources, tables. Nothing here imports wengert or a peer."""
