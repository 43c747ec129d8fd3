"""Classifiers: where they come from, their graph, layers, receptive fields and heads."""
