"""Every elementwise and special function, its value and its derivatives of orders 1 to 3, at edge inputs, in ulps.

``python -m tests.third_order`` prints what is beyond the ordinary, ``--references`` computes the references anew, and
``--write`` writes the page and the bounds.
"""
