"""Text in CSV files is never a formula of a spreadsheet."""

import csv
import io

import pytest

from reportgen.results.csv_files import csv_text


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_text_that_begins_like_a_formula_gets_a_quote(begin: str) -> None:
    (_, (found, other)) = csv.reader(io.StringIO(csv_text(["a", "b"], [[f"{begin}cmd|x", f"a{begin}b"]]), newline=""))
    plain = begin.replace("\r", "\n")  # a lone \r would end the row
    assert found == f"'{plain}cmd|x"
    assert other == f"a{plain}b"


@pytest.mark.parametrize("number", ["-1", "-0.5", "+2", "-1e-05", "1", "-inf", "nan"])
def test_numbers_are_left_as_they_are(number: str) -> None:
    assert csv_text(["a"], [[number]]) == f"a\n{number}\n"
