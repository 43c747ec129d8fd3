"""Pages of vision transformers with a class token say how their maps are to be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reportgen.audit.audit import Audit
from reportgen.gallery.components.image_viewer import cam_caption
from reportgen.gallery.core.labels import TOKENS_NOTE
from reportgen.gallery.core.media import Media
from reportgen.gallery.pages.models import models
from reportgen.gallery.pages.overview import lead
from reportgen.gallery.pages.provenance import provenance
from tests.support.factories import make_audit, make_boxed_audit, make_model_info


def audit_with(head: str, method: str) -> Audit:
    model = make_boxed_audit().main
    return make_audit(replace(model, info=make_model_info(head=head, method=method)))


@pytest.mark.parametrize(
    ("head", "method", "is_noted"),
    [("class-token", "grad-cam", True), ("other", "grad-cam", False), ("own", "cam", False), ("gap", "cam", False)],
)
def test_note_is_on_every_page_that_shows_or_describes_the_maps(
    head: str, method: str, is_noted: bool, tmp_path: Path
) -> None:
    audit, media = audit_with(head, method), Media(tmp_path)
    texts = {
        "overview": lead(audit),
        "image": cam_caption(audit.main, "a"),
        "provenance": str(provenance(audit, media)),
        "models": str(models(audit, media)),
    }
    assert {page: TOKENS_NOTE in text for page, text in texts.items()} == dict.fromkeys(texts, is_noted)
    assert ("(not exact)" in texts["models"]) == is_noted
