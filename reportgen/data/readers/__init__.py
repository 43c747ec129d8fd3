"""Readers of data sets and annotations: folders, tables, files with the images, COCO, Pascal VOC, CUB, ImageNet."""
