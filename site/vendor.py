"""Make the vendored files of `site/vendor` again: `python site/vendor.py` (needs Node.js); `--check` compares only.

`package.json` and `package-lock.json` there name the packages and their digests. ONNX Runtime Web is bundled to one
classic script, because a page that is opened from a disk can load no modules. `vendor.lock` has the digest of every
file; a test compares them. Users of reportgen need neither Node.js nor this script.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "vendor"
LOCK = "vendor.lock"
SBOM = "vendor.cdx.json"
RUNTIME = "onnxruntime-web"
WASM = "ort-wasm-simd-threaded.wasm"
ENTRY = 'import * as ort from "onnxruntime-web/wasm";\nglobalThis.ort = ort;\n'
"""What is bundled: the runtime for WebAssembly alone, as the global `ort`."""
KEPT = ("LICENSE.txt", "ThirdPartyNotices.txt.gz", "package.json", "package-lock.json")
"""Files that are not made here. The npm package has no licences; these are those of the runtime's Python package."""


def made_files(folder: Path) -> dict[str, bytes]:
    """The vendored files by name, made in an empty folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=folder, check=True)
    (folder / "entry.js").write_text(ENTRY)
    bundle = ["npx", "esbuild", "entry.js", "--bundle", "--format=iife", "--minify", "--legal-comments=inline"]
    subprocess.run([*bundle, "--outfile=ort.js", "--log-level=warning"], cwd=folder, check=True)
    wasm = (folder / "node_modules" / RUNTIME / "dist" / WASM).read_bytes()
    return {"ort.js": (folder / "ort.js").read_bytes(), f"{WASM}.gz": gzip.compress(wasm, 9, mtime=0)}


def digests(files: dict[str, bytes]) -> dict[str, str]:
    """SHA-512 of each file; of what is in it for a compressed one, because libraries compress differently."""
    plain = {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in files.items()}
    return {name: hashlib.sha512(data).hexdigest() for name, data in sorted(plain.items())}


def lock_of(files: dict[str, bytes]) -> str:
    """The text of `vendor.lock` for these files."""
    packages = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    locked = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    about = {
        "name": RUNTIME,
        "version": packages[RUNTIME],
        "licence": locked[f"node_modules/{RUNTIME}"]["license"],
        "integrity": locked[f"node_modules/{RUNTIME}"]["integrity"],
        "files": digests(files),
    }
    return json.dumps(about, indent=2) + "\n"


def sbom_of(lock: str) -> str:
    """The software bill of materials of the wheel's bundled software (CycloneDX 1.6, PEP 770). lock: `vendor.lock`."""
    about = json.loads(lock)
    digest = base64.b64decode(about["integrity"].removeprefix("sha512-")).hex()
    component = {
        "type": "library",
        "name": about["name"],
        "version": about["version"],
        "purl": f"pkg:npm/{about['name']}@{about['version']}",
        "licenses": [{"license": {"id": about["licence"]}}],
        "hashes": [{"alg": "SHA-512", "content": digest}],
    }
    bill = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": [component]}
    return json.dumps(bill, indent=2) + "\n"


def stored_files() -> dict[str, bytes]:
    """The vendored files as they are, without the lock."""
    return {
        path.name: path.read_bytes() for path in FOLDER.iterdir() if path.is_file() and path.name not in (LOCK, SBOM)
    }


def main(check: bool) -> int:
    """Make the files and their lock, or compare them; return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        made = made_files(Path(folder))
    files = {name: (FOLDER / name).read_bytes() for name in KEPT} | made
    if check:
        lock = (FOLDER / LOCK).read_text()
        current = lock_of(files) == lock == lock_of(stored_files()) and (FOLDER / SBOM).read_text() == sbom_of(lock)
        print("the vendored files are those of the packages" if current else "the vendored files differ")
        return 0 if current else 1
    for name, data in made.items():
        (FOLDER / name).write_bytes(data)
    (FOLDER / LOCK).write_text(lock_of(files))
    (FOLDER / SBOM).write_text(sbom_of(lock_of(files)))
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
