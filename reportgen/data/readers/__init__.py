"""Readers of data sets and annotations: folders, CSV tables, COCO, Pascal VOC, CUB, ImageNet."""
