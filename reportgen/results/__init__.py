"""Result files: metrics.json, CSV, LaTeX and Markdown tables, notebook arrays."""
