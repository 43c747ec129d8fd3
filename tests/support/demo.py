"""What the demo's data set contains, for the tests of its report."""

from reportgen.data.demo_photos import PHOTOS

IMAGES = sum(1 + len(photo.variants) for photo in PHOTOS)
LABELLED = sum(1 + len(photo.variants) for photo in PHOTOS if photo.label)
CLASSES = len({photo.label for photo in PHOTOS if photo.label})


def images_of(*names: str) -> int:
    """Return how many images there are of these photographs."""
    return sum(1 + len(photo.variants) for photo in PHOTOS if photo.name in names)
