"""Independent comparisons: the product's figures against plain code and the peers' released packages.

`python -m tests.fidelity` prints the table. The reference side uses nothing of `reportgen`.
"""
