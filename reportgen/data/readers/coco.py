"""Reader of COCO's JSON format (https://cocodataset.org/#format-data)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reportgen.data.files import cause, one_line
from reportgen.data.readers.annotated_object import AnnotatedObject, Objects, read_text
from reportgen.data.readers.boxes import AnnotationError
from reportgen.data.samples import RejectedInput
from reportgen.errors import DataError
from reportgen.json_text import load_json


def read_coco(path: Path) -> Objects:
    """Yield the images and objects of a COCO file; its boxes are x, y, width, height.

    Errors: DataError if it is not COCO's.
    """
    try:
        table = load_json(read_text(path))
        images = {image["id"]: image for image in table["images"]}
        categories = {category["id"]: str(category["name"]) for category in table["categories"]}
        annotations = list(table["annotations"])
    except (ValueError, KeyError, TypeError) as error:
        reason = f"no `{error.args[0]}`" if isinstance(error, KeyError) else cause(error)
        raise DataError(
            f"`{one_line(str(path))}` is not a COCO annotation file ({reason})",
            "it needs `images`, `categories` and `annotations`",
        ) from None
    for key, image in images.items():
        yield AnnotatedObject(f"{path.name}: image {key}", str(image.get("file_name", "")))
    for number, annotation in enumerate(annotations):
        identity = annotation.get("id", number) if isinstance(annotation, dict) else number
        where = f"{path.name}: annotation {identity}"
        try:
            yield _read_object(annotation, where, images, categories)
        except AnnotationError as error:
            yield RejectedInput(where, str(error))
        except KeyError as error:
            yield RejectedInput(where, f"no `{error.args[0]}`")
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            yield RejectedInput(where, f"not an annotation: {cause(error)}")


def _read_object(annotation: Any, where: str, images: dict[Any, Any], categories: dict[Any, str]) -> AnnotatedObject:
    if annotation["image_id"] not in images or annotation["category_id"] not in categories:
        raise AnnotationError("its `image_id` or `category_id` is not in the file")
    image = images[annotation["image_id"]]
    x, y, width, height = map(float, annotation["bbox"])
    return AnnotatedObject(
        where=where,
        image=str(image["file_name"]),
        label=categories[annotation["category_id"]],
        box=(x, y, x + width, y + height),
        size=(int(image["width"]), int(image["height"])) if "width" in image and "height" in image else None,
        segmentation=annotation.get("segmentation"),
        is_crowd=bool(annotation.get("iscrowd")),
    )
