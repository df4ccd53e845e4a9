"""Which versions of a file's format are read: all up to the newest that is known; without one it is the first."""

import pytest

from orchestration.values.file_formats import UnknownFileFormat, refuse_unknown


@pytest.mark.parametrize("written", [None, "", " ", 1, "1", 1.0, "2", " 2 "])
def test_what_is_known_and_what_has_none_is_read(written):
    refuse_unknown(written, known=2)


@pytest.mark.parametrize("written", [3, "3", 3.0])
def test_a_newer_one_is_refused_with_the_remedy(written):
    with pytest.raises(UnknownFileFormat, match=r"file_format 3; 2 is the newest .* Upgrade this installation, or"):
        refuse_unknown(written, known=2)


@pytest.mark.parametrize("written", ["first", 0, -1, 1.5, "nan", "inf", True, [1], {}])
def test_what_is_not_a_version_is_refused(written):
    with pytest.raises(UnknownFileFormat, match="file_format must be a whole number from 1 to 2"):
        refuse_unknown(written, known=2)
