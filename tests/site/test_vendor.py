"""The files of other projects in the package: complete, with their licence, unchanged since `site/vendor.py`."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

from reportgen.gallery.core.assets import folder, vendored

FOLDER = Path(__file__).parents[2] / "site" / "vendor"
LOCK = json.loads((FOLDER / "vendor.lock").read_text("utf-8"))


def test_checkout_finds_its_vendored_files() -> None:
    assert folder("vendor") == FOLDER


def test_lock_has_the_digest_of_every_file() -> None:
    files = {
        path.name for path in FOLDER.iterdir() if path.name not in ("vendor.lock", "vendor.cdx.json", "node_modules")
    }
    assert set(LOCK["files"]) == files
    for name, digest in LOCK["files"].items():
        data = vendored(name)
        plain = gzip.decompress(data) if name.endswith(".gz") else data
        assert hashlib.sha512(plain).hexdigest() == digest, name


def test_package_lock_pins_the_version_and_names_no_host() -> None:
    text = (FOLDER / "package-lock.json").read_text("utf-8")
    locked = json.loads(text)["packages"]["node_modules/onnxruntime-web"]
    assert (locked["version"], locked["integrity"]) == (LOCK["version"], LOCK["integrity"])
    assert "resolved" not in text


def test_bill_of_materials_names_what_is_bundled() -> None:
    bill = json.loads((FOLDER / "vendor.cdx.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    (component,) = bill["components"]
    assert component["purl"] == f"pkg:npm/{LOCK['name']}@{LOCK['version']}"
    assert component["licenses"] == [{"license": {"id": LOCK["licence"]}}]
    integrity = base64.b64encode(bytes.fromhex(component["hashes"][0]["content"])).decode()
    assert LOCK["integrity"] == f"sha512-{integrity}"


def test_licence_of_the_runtime_is_in_the_package() -> None:
    assert LOCK["licence"] == "MIT"
    assert b"MIT License" in vendored("LICENSE.txt")
    assert b"Microsoft" in vendored("LICENSE.txt")
    assert b"THIRD PARTY SOFTWARE NOTICES" in gzip.decompress(vendored("ThirdPartyNotices.txt.gz"))


def test_script_imports_no_module() -> None:
    """A page that is opened from a disk can load no modules, and a worker made of text has no address."""
    script = vendored("ort.js").decode()
    assert script.startswith("(()=>{")
    assert "import.meta" not in script
    assert not re.search(r"\bexport\s", script)
