"""The data package imports neither torch nor the packages that contain the demo's photographs."""

import subprocess
import sys


def test_data_package_imports_no_heavy_library(tmp_path) -> None:
    code = (
        "import sys, pathlib, reportgen.data.readers.dataset, reportgen.data.decoding, reportgen.data.demo as demo\n"
        "try: demo.make_demo_photos(pathlib.Path(sys.argv[1]))\n"
        "except demo.ConfigError: pass\n"
        "print(sorted({'torch', 'torchvision', 'skimage', 'sklearn', 'scipy', 'elpv_dataset'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
