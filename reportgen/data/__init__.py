"""Data sets: samples, class names, decoding of images, segmentation masks."""
