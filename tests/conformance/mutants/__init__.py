"""Backends that work, each but for one bug; `bugs` says which rule it breaks.

Most of the bugs were found in a framework in use. Nodes import these modules to ask who
they are, so they import nothing heavy, pytest least of all.
"""
