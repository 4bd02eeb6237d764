"""Load and abuse: many threads and processes, interrupts, growth, and a folder of machine code that cannot be relied on.

Each part has a function ``run(seed)`` that does one round, raises AssertionError where something is wrong, and gives what it
did as counts. `test_load` runs one round of each; ``python -m tests.load.campaign --seconds 600`` runs rounds until time is up.
"""
