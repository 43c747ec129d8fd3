"""Pictures of cards: size, shape, and small photographs."""

import io

import numpy as np
import pytest
from PIL import Image

from reportgen.draw.tiles import CARD_SIZE, card_picture


def jpeg(size: tuple[int, int]) -> bytes:
    """A red photograph with a blue left half."""
    pixels = np.full((size[1], size[0], 3), (200, 30, 30), np.uint8)
    pixels[:, : size[0] // 2] = (30, 30, 200)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(512, 384), (512, 300), (300, 512), (512, 20), (200, 150)])
def test_card_picture_just_covers_the_size_of_cards_and_keeps_its_shape(size: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(card_picture(jpeg(size)))) as picture:
        covers = [length / least for length, least in zip(picture.size, CARD_SIZE, strict=True)]
        if min(size[0] / CARD_SIZE[0], size[1] / CARD_SIZE[1]) > 1:
            assert min(covers) == pytest.approx(1, abs=0.01)
        else:
            assert picture.size == size
        assert picture.size[0] / picture.size[1] == pytest.approx(size[0] / size[1], rel=0.01)
        left, right = (picture.convert("RGB").getpixel((share * picture.width // 8, 2)) for share in (1, 7))
        assert left[2] > 150 > left[0]
        assert right[0] > 150 > right[2]


def test_small_photograph_is_used_as_it_is() -> None:
    assert card_picture(jpeg((160, 120))) == jpeg((160, 120))
