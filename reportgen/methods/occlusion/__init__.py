"""Occlusion sensitivity: the definition, and three faster computations of it."""
