"""Drawing of arrays and photographs as image files."""
