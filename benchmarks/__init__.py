"""Ours beside the peers, one file a question: `python -m benchmarks NAME` (site/docs/performance.md)."""
