"""Reader of Pascal VOC's XML files, one for each image, which ImageNet's localization task uses too."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from reportgen.data.files import cause, one_line
from reportgen.data.readers.annotated_object import AnnotatedObject, Objects, read_text
from reportgen.data.samples import RejectedInput
from reportgen.errors import DataError


def read_voc(folder: Path) -> Objects:
    """Yield the images and objects of all XML files below a folder. Errors: DataError if there are none.

    Pascal VOC counts pixels from 1, ImageNet from 0; in both the last pixel belongs to the box.
    """
    files = sorted(folder.rglob("*.xml"))
    if not files:
        raise DataError(
            f"annotations `{one_line(str(folder))}` contain neither XML files nor `images.txt`",
            "give a folder of Pascal VOC files, CUB's folder, a COCO .json, or a table",
        )
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            text = read_text(path)
            if "<!ENTITY" in text:  # a few lines of them can stand for gigabytes
                raise ValueError("it declares entities, which annotations do not need")
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, DataError, ValueError) as error:
            yield RejectedInput(name, f"not XML: {cause(error)}")
            continue
        yield from _read_objects(root, name, path.stem)


def _read_objects(root: ElementTree.Element, name: str, stem: str) -> Objects:
    """Yield the objects of one file. name: the file's, for messages; stem: name of the image if it is not stated."""
    source = (root.findtext("source/database") or "") + (root.findtext("filename") or "")
    first_pixel = 0 if "ILSVRC" in source else 1
    size = _stated_size(root)
    image = root.findtext("filename") or stem
    yield AnnotatedObject(name, image)
    for number, element in enumerate(root.iter("object"), 1):
        where = f"{name}: object {number}"
        try:
            sides = [float(element.findtext(f"bndbox/{side}") or "") for side in ("xmin", "ymin", "xmax", "ymax")]
        except ValueError:
            yield RejectedInput(where, "a box needs all four of xmin, ymin, xmax, ymax, as numbers")
            continue
        x0, y0, x1, y1 = (side - first_pixel for side in sides)
        yield AnnotatedObject(
            where=where,
            image=image,
            label=(element.findtext("name") or "").strip(),
            box=(x0, y0, x1 + 1, y1 + 1),
            size=size,
        )


def _stated_size(root: ElementTree.Element) -> tuple[int, int] | None:
    try:
        width, height = (int(root.findtext(f"size/{side}") or 0) for side in ("width", "height"))
    except ValueError:
        return None
    return (width, height) if width and height else None
