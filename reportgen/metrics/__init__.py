"""Metrics: NumPy arrays in, plain values out."""
