"""Image issues: planted ones are found, each under its name, and photographs have none."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from reportgen.audit.findings.image_issue import image_issue
from reportgen.data.image_properties import image_properties
from reportgen.metrics.image_issues import image_issues
from tests.support.factories import make_audit, make_logits, make_model_audit

SIZE = (500, 400)


def photograph(seed: int) -> Image.Image:
    """Smooth shapes with edges and grain, as a photograph has them."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(20, 236, (12, 12, 3)).astype(np.uint8)).resize(
        (224, 224), Image.Resampling.BICUBIC
    )
    blocks = Image.fromarray(random.integers(0, 256, (28, 28, 3)).astype(np.uint8)).resize(
        (224, 224), Image.Resampling.NEAREST
    )
    mixed = 0.7 * np.asarray(coarse, float) + 0.3 * np.asarray(blocks, float) + random.normal(0, 4, (224, 224, 3))
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def properties(image: Image.Image) -> np.ndarray:
    return image_properties(np.asarray(image).transpose(2, 0, 1), image, b"")


PLANTS = {
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.2),
    "bright": lambda image: Image.fromarray((215 + 0.15 * np.asarray(image, float)).astype(np.uint8)),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(5)),
    "nearly uniform": lambda image: Image.fromarray((120 + 0.02 * np.asarray(image, float)).astype(np.uint8)),
    "little information": lambda image: Image.fromarray(
        (np.asarray(image.convert("RGB")) // 128 * 200 + 20).astype(np.uint8)
    ),
}


def test_photographs_have_no_issue() -> None:
    found = image_issues(np.stack([properties(photograph(seed)) for seed in range(20)]), np.tile(SIZE, (20, 1)))
    assert found == []


@pytest.mark.parametrize("name", PLANTS)
def test_planted_issue_of_the_pixels_is_found_under_its_name(name: str) -> None:
    images = [photograph(seed) for seed in range(10)]
    images[3], images[7] = PLANTS[name](images[3]), PLANTS[name](images[7])
    found = {
        one.name: sorted(one.rows.tolist())
        for one in image_issues(np.stack(list(map(properties, images))), np.tile(SIZE, (10, 1)))
    }
    assert found[name] == [3, 7]


def test_bright_images_are_those_with_hardly_a_darker_pixel() -> None:
    """A yellow or cyan surface is as bright as a grey one of the same lightness."""
    pixels = np.full((50, 50, 3), (255, 255, 40), np.uint8)
    pixels[:20] = 225, 255, 255
    for width, expected in ((10, ["bright"]), (15, [])):  # 4 % and 6 % of the pixels are black
        one = pixels.copy()
        one[:10, :width] = 0
        found = image_issues(properties(Image.fromarray(one))[None], np.array([SIZE]))
        assert [issue.name for issue in found if issue.name != "little information"] == expected


def test_uniform_images_are_also_dark_or_bright_but_not_blurred() -> None:
    tones = [properties(Image.new("RGB", (50, 50), (tone,) * 3)) for tone in (10, 128, 250)]
    found = {one.name: one.rows.tolist() for one in image_issues(np.stack(tones), np.tile(SIZE, (3, 1)))}
    assert found == {"nearly uniform": [0, 1, 2], "dark": [0], "bright": [2]}


def test_odd_sizes_and_shapes_are_those_far_from_the_others() -> None:
    sizes = np.array([SIZE] * 8 + [(60, 60), (3000, 2500), (1000, 250), (700, 300)])
    plain = np.stack([properties(photograph(0))] * len(sizes))
    found = {one.name: one.rows.tolist() for one in image_issues(plain, sizes)}
    assert found == {"odd size": [8, 9], "odd shape": [10]}


def test_finding_counts_images_once_and_states_their_error() -> None:
    images = [properties(photograph(seed)) for seed in range(6)]
    images[2] = properties(PLANTS["dark"](photograph(2)))
    slope = np.linspace(0, 75, 224).astype(np.uint8)
    images[4] = properties(Image.fromarray(np.tile(slope[:, None], (224, 1, 3))))
    predicted = [0, 1, 1, 1, 1, 1]
    model = make_model_audit(
        [0, 1] * 3, logits=make_logits(predicted, 0.9, 2), arrays={"image/properties": np.stack(images)}
    )
    (finding,) = image_issue(make_audit(model))
    assert finding.headline == "2 images have an issue: 2 dark, 1 blurred"
    assert finding.images == [2, 4]
    assert finding.inference == "The class is wrong in 2 of the 2 of them that have a label, otherwise in 0 of 4."
    assert list(image_issue(make_audit(make_model_audit()))) == []
