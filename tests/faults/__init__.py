"""Seeded faults: deliberate mistakes that the test suite has to catch.

What comes in: a catalog of mistakes, each the text of one source file before and after. What goes out: for each, which test
fails first, or that none does. The one idea: a test that passes with the mistake in place says nothing about it; so each
mistake is made in a copy of the repository, the tests that should notice it run there, and the copy is thrown away.

::

    python -m tests.faults                    every mistake, one after another; exit status 1 if one is not caught
    python -m tests.faults --only solve       those whose names contain a word
    python -m tests.faults --jobs 2           two at a time
    python -m tests.faults --unchanged        the same tests on the sources as they are: all of them have to pass
"""
