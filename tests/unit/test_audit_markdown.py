"""`audit.md`: what the pages state, as Markdown that no name can break."""

from __future__ import annotations

import numpy as np

from reportgen.audit.audit import Audit
from reportgen.metrics.formatting import interval
from reportgen.results.audit_markdown import MAX_IMAGES, audit_markdown
from tests.support.factories import SIDE, make_audit, make_logits, make_model_audit


def confused(n: int, names: list[str]) -> Audit:
    """n images of the first class, all predicted as the second with boxes that are right, and n right ones of it."""
    return make_audit(
        make_model_audit(
            [0] * n + [1] * n,
            logits=make_logits([1] * 2 * n, 0.9, 2),
            maps=np.ones((2 * n, 3, 2, 2)),
            boxes=[np.array([[0.0, 0, SIDE, SIDE]])] * 2 * n,
            class_names=names,
        )
    )


def test_document_has_the_figures_the_findings_and_the_classes() -> None:
    audit = confused(12, ["tabby", "lion"])
    text = audit_markdown(audit)
    assert "24 images, 24 with a label, 24 with boxes." in text
    error = audit.main.classification.top1_error
    assert f"| top-1 error | 50.0 %, 12 of 24 | {interval(error.interval)} |" in text
    assert "| localization error, GT-known |" in text
    assert "top-5" not in text  # there are two classes
    (finding,) = [one for one in audit.findings if one.kind == "confusion"]
    assert f". {finding.headline}" in text
    assert f"- Next: {finding.next_step}" in text.replace("\\", "")
    assert f"- Images: {', '.join(audit.samples[i].name for i in range(MAX_IMAGES))}, and 2 more" in text
    assert "| tabby | 12 | 100.0 % (76–100 %) |" in text
    assert "| lion |" not in text


def test_names_are_escaped() -> None:
    text = audit_markdown(confused(5, ["a|b <script> [x](y) *z* `c`", "lion"]))
    assert "a\\|b \\<script\\> \\[x\\](y) \\*z\\* \\`c\\`" in text
    assert "<script>" not in text


def test_audit_without_labels_has_no_errors_and_no_classes() -> None:
    text = audit_markdown(make_audit(make_model_audit([-1, -1])))
    assert "2 images, 0 with a label, 0 with boxes." in text
    assert "| top-1 error | – | – | – |  |" in text
    assert "Classes with the most errors" not in text
