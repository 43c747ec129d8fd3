"""The live page of a network with a hidden layer in its head: Grad-CAM in the page, from weights in 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, expect

from reportgen.config import AuditConfig
from reportgen.methods.gradcam import grad_cam
from reportgen.models.loading import load_classifiers
from reportgen.pipeline.run import run_audit
from tests.support.browser import opened
from tests.support.square_images import squares

pytestmark = pytest.mark.browser
RUN = """async (k) => {
  const { data, liveAnswer, liveNetwork, livePixels } = window.reportgen;
  const live = data.chunk("live");
  window.network ??= await liveNetwork(live, () => {});
  const { bytes, ends } = data.chunk("live-inputs-0");
  const picture = new Blob([bytes.slice(0, ends[0])], { type: "image/webp" });
  const result = await liveAnswer.run(network, live, await livePixels.decode(picture, 3), ["features"], k);
  const cam = liveAnswer.activationMap(result.outputs, network.weights, result.k, live);
  return { logits: [...result.outputs.logits], features: [...result.outputs.features], k: result.k, cam };
}"""


def test_page_computes_grad_cam_of_any_class_as_pytorch_does(browser: Browser, tmp_path: Path) -> None:
    config = AuditConfig(
        data=squares(tmp_path / "data", each=2),
        model="python:tests.support.tiny_networks:hidden_layer",
        classes=tmp_path / "data" / "classes.txt",
        select="none",
        live=True,
        out=tmp_path / "report",
    )
    audit = run_audit(config).audit
    assert audit.live is not None
    assert audit.live.has_gradient
    assert audit.live.half is not None
    (classifier,) = load_classifiers([config], torch.device("cpu"))
    for parameter in [*classifier.trunk.parameters(), *classifier.head.parameters()]:
        if parameter.ndim >= 2:  # these are stored in 16 bits
            parameter.data = parameter.data.half().float()
    pixels = torch.tensor(audit.live.inputs.of_image(0)["input/pixels"])
    with torch.no_grad():
        maps = classifier.trunk(classifier.preprocessing.normalize(pixels[None]))
        logits = classifier.head(maps)[0]
    with opened(browser, offline=True) as (page, said):
        page.goto((tmp_path / "report" / "site" / "live.html").as_uri())
        page.locator("#live dl > div").first.wait_for(timeout=60_000)
        predicted = audit.classes[int(logits.argmax())]
        expect(page.locator("figcaption").first).to_have_text(f"Grad-CAM of {predicted}.")
        page.locator(".class-list button").nth(1).click()
        chosen = page.locator(".class-list button").nth(1).inner_text()
        expect(page.locator("figcaption").first).to_have_text(f"Grad-CAM of {chosen}.")
        assert chosen != predicted
        for k in (-1, 0, 1, 2):
            found = page.evaluate(RUN, k)
            assert found["k"] == (int(logits.argmax()) if k < 0 else k)
            assert np.abs(np.array(found["logits"]) - logits.numpy()).max() <= 1e-3
            cam = grad_cam(classifier.head, maps, torch.tensor([[found["k"]]]))[0, 0].numpy()
            assert np.abs(np.array(found["cam"]) - cam).max() <= 1e-3 * np.ptp(cam)
        assert len(found["features"]) == 8
        assert said == []
