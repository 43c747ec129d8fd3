"""Metrics of weakly supervised localization."""
