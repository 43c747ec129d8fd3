"""Reports in the formats of other programs: one module a format; `export.py` lists them."""
