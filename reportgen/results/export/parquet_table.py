"""The table of images as Parquet. pyarrow is optional, and imported only when the file is made."""

from __future__ import annotations

import importlib
import io
import json

import numpy as np

from reportgen.errors import OutputError
from reportgen.results.export.image_table import image_table
from reportgen.results.report import Report


def parquet_table(report: Report) -> bytes:
    """Return the file, with a type for each column; a missing value is null.

    The schema's metadata have the data set's `name` and `classes`, the class names as JSON in the order of the outputs.
    Errors: OutputError without pyarrow, StoreError.
    """
    try:
        arrow, parquet = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise OutputError("Parquet files need an extra", "pip install 'reportgen[parquet]'") from None
    columns = {
        name: arrow.array(column.data, mask=np.ma.getmaskarray(column)) for name, column in image_table(report).items()
    }
    about = {"name": report.name, "classes": json.dumps(list(report.classes), ensure_ascii=False)}
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns).replace_schema_metadata(about), file)
    return file.getvalue()
