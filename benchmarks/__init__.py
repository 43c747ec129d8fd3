"""Speed compared with other libraries, one file a question: `python -m benchmarks NAME` (site/docs/performance.md)."""
