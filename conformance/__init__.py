"""A conformance suite for automatic differentiation of NumPy programs.

What comes in: a library, by a small adapter (`conformance.adapters`). What goes out: a verdict for each case. The one idea: a
case is a plain NumPy program with points and reference derivatives of forty digits, and nothing here knows how a derivative is
made. See README.md in this folder.
"""
