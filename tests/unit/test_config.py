"""`audit.toml` and flags: types, names, paths, and which value takes precedence."""

from dataclasses import fields
from pathlib import Path

import click
import pytest

from reportgen.cli.options import audit_options
from reportgen.config import SETTINGS, AuditConfig, override
from reportgen.config_file import commented_toml, read_config
from reportgen.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "audit.toml"
    path.write_text(text)
    return path


def test_config_reads_every_key_and_paths_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "w.pth").touch()
    found = read_config(
        write(
            tmp_path,
            'data = "photos"\nmodel = "torchvision:resnet18"\nweights = "w.pth"\nannotations = "/abs/boxes.csv"\n'
            'classes = "../names.txt"\nlayer = "layer4"\nhead = "fc"\nresize = "crop"\ndevice = "cpu"\nout = "r"\n'
            'limit = 7\nbatch_size = 3\nname = "mine"\nmodel_name = "net"\n',
        )
    )
    assert found == AuditConfig(
        data=tmp_path / "photos",
        model="torchvision:resnet18",
        weights=str(tmp_path / "w.pth"),
        annotations=Path("/abs/boxes.csv"),
        classes=tmp_path / "../names.txt",
        layer="layer4",
        head="fc",
        resize="crop",
        device="cpu",
        out=tmp_path / "r",
        limit=7,
        batch_size=3,
        name="mine",
        model_name="net",
    )


def test_empty_config_file_has_the_defaults(tmp_path: Path) -> None:
    assert read_config(write(tmp_path, "")) == AuditConfig()
    assert read_config(write(tmp_path, 'weights = "DEFAULT"')).weights == "DEFAULT"


def test_given_flags_override_the_file_and_others_do_not() -> None:
    config = AuditConfig(data=Path("a"), limit=5, resize="crop")
    found = override(config, {"data": Path("b"), "limit": None, "resize": None, "device": "cpu"})
    assert found == AuditConfig(data=Path("b"), limit=5, resize="crop", device="cpu")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('dta = "x"', "unknown key `dta`", "did you mean `data`?"),
        ("bach-size = 3", "unknown key `bach-size`", "did you mean `batch_size`?"),
        ("xyzzy = 3", "unknown key `xyzzy`", "see `reportgen init`"),
        ("data = 3", "`data` in", "it must be"),
        ("data = " + "[" * 9000, "its lists are nested too deep", None),
        ('limit = "3"', "is '3'", "it must be"),
        ("limit = true", "is True", "it must be"),
        ("limit = 2.5", "is 2.5", "it must be"),
        ("limit = 0", "`limit` is 0", "use a whole number of at least 1"),
        ("top_patches = 0", "`top_patches` is 0", "use a whole number of at least 1"),
        ("batch_size = -1", "`batch_size` is -1", "use a whole number of at least 1"),
        ('resize = "stretch"', "`resize` is `stretch`", "use one of `crop`, `warp`"),
        ('device = "tpu"', "`device` is `tpu`", "use `auto`"),
        ('input_size = "24x"', "`input_size` in", "use a side in pixels"),
        ("input_size = 0", "is 0", "use a side in pixels"),
        ("input_size = true", "is True", "use a side in pixels"),
        ("input_size = 2.5", "is 2.5", "use a side in pixels"),
        ("mean = [0.5, 0.5]", "is [0.5, 0.5]", "use one number, or three"),
        ("mean = [0.5, true, 0.5]", "is [0.5, True, 0.5]", "use one number, or three"),
        ('mean = "0.5,x,0.5"', "is '0.5,x,0.5'", "use one number, or three"),
        ("mean = nan", "is nan", "use one number, or three"),
        ("std = [0.5, 0.5, 0.0]", "is [0.5, 0.5, 0.0]", "use one positive number"),
        ("channels = 4", "is 4", "use 1 for grey or 3"),
        ('interpolation = "cubic"', "`interpolation` is `cubic`", "use one of `nearest`"),
        ('outputs = "sigmoid"', "`outputs` is `sigmoid`", "use one of `classes`, `binary`, `probabilities`"),
        ('resize = "crop"\ncrop_pct = 1.1', "is 1.1", "use a number above 0 and at most 1"),
        ("crop_pct = 0.9", "`crop_pct` has no effect with `resize = warp`", "add `resize = crop`"),
        ("[data]\nx = 1", "`data` in", "it must be"),
        ('codes = "gap"', "unknown key `codes`", "it is now called `features`"),
        ("data = ", "is not TOML", None),
        ("\x00", "is not TOML", None),
    ],
)
def test_bad_config_names_the_fault_and_the_way_out(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(write(tmp_path, text))
    assert message in str(caught.value)
    assert (caught.value.hint is None) if hint is None else caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "flag", "value"),
    [
        ("input_size = 32", "32", (32, 32)),
        ('input_size = "480x640"', "480x640", (480, 640)),
        ("mean = 0.5", "0.5", (0.5,)),
        ("std = [0.5, 0.25, 1]", "0.5, 0.25,1", (0.5, 0.25, 1.0)),
        ("channels = 1", "1", 1),
        ('interpolation = "lanczos"', "lanczos", "lanczos"),
        ('outputs = "binary"', "binary", "binary"),
    ],
)
def test_setting_of_a_network_is_the_same_from_a_file_a_table_and_a_flag(
    tmp_path: Path, text: str, flag: str, value: object
) -> None:
    key = text.split()[0]
    assert getattr(read_config(write(tmp_path, text)), key) == value
    table = read_config(write(tmp_path, f"[[models]]\n{text}"))
    assert getattr(table.networks()[0], key) == value
    parsed: dict[str, object] = {}
    command = audit_options(key)(lambda **given: parsed.update(given))
    click.command()(command).main([f"--{key.replace('_', '-')}", flag], standalone_mode=False)
    assert parsed == {key: value}


def test_tables_with_different_resizing_share_the_crop(tmp_path: Path) -> None:
    text = 'crop_pct = 0.9\n[[models]]\nresize = "crop"\n[[models]]\nresize = "crop"\ncrop_pct = 1.0\n'
    assert [network.crop_pct for network in read_config(write(tmp_path, text)).networks()] == [0.9, 1.0]


def test_unreadable_config_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read `.*none\.toml` \(No such file or directory\)"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "audit.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(tmp_path / "audit.toml")


def test_commented_toml_loads_and_explains_every_key(tmp_path: Path) -> None:
    text = commented_toml()
    found = read_config(write(tmp_path, text))
    assert found == AuditConfig(data=tmp_path / "photos", out=tmp_path / "report")
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in text.splitlines()
    )
    for field in fields(AuditConfig):
        assert SETTINGS[field.name]["help"] in text
        assert f"\n{field.name} = " in uncommented or f"[[{field.name}]]" in uncommented
