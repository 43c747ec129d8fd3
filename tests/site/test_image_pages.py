"""Image pages name the method that computed their activation maps."""

from __future__ import annotations

from pathlib import Path

import pytest

from reportgen.gallery.core.urls import image_page
from tests.site.reports import write_report
from tests.support.factories import make_audit, make_model_audit, make_model_info

NAMES = {"cam": "Class activation map", "grad-cam": "Grad-CAM", "layer_cam": "layer_cam"}


@pytest.mark.parametrize("method", NAMES)
def test_image_page_names_the_method_of_its_maps(method: str, tmp_path: Path) -> None:
    """The third is the name of a function of the user (`map_function`)."""
    audit = make_audit(make_model_audit(info=make_model_info(method=method)))
    site = write_report(audit, tmp_path / "report")
    html = (site / image_page(audit, 0)).read_text("utf-8")
    assert NAMES[method] in html
    for other in NAMES.keys() - {method}:
        assert NAMES[other] not in html
    assert ("logit units" in html) == (method != "layer_cam")  # the unit of other maps is unknown
