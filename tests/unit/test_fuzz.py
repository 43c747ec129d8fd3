"""Changed files are read or refused in one line: a sample of `python -m tests.faults.fuzz`."""

from pathlib import Path

import pytest

from tests.faults.fuzz import fuzz, targets


@pytest.mark.filterwarnings("ignore")
def test_readers_refuse_changed_files_with_one_of_our_errors(tmp_path: Path) -> None:
    readers = targets(tmp_path)
    for target in readers.values():
        (tmp_path / target.name).write_bytes(target.valid)
        target.read(tmp_path / target.name)
    ends, defects = fuzz(readers, 50 * len(readers), tmp_path, seed=1)
    assert defects == []
    assert ends.total() == 50 * len(readers)
