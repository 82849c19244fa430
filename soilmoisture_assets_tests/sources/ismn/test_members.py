"""Members of an archive: what is listed reads as it was written, wherever a zip is cut and however it was made."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.ismn.members import Members

NAMES = st.from_regex(r"[A-Za-z0-9Жé#()_-]{1,8}(/[A-Za-z0-9Жé#()_.-]{0,6}[a-z]){0,3}", fullmatch=True)
CONTENTS = st.one_of(st.binary(max_size=60), st.binary(min_size=1, max_size=3).map(lambda piece: piece * 3000))
METHODS = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])


class Stream(io.RawIOBase):
    """What can only be written on, as a network stream: sizes then follow the data."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, piece: bytes) -> int:
        self.content += bytes(piece)
        return len(piece)


def zipped(members: dict[str, tuple[bytes, int]], streamed: bool) -> bytes:
    file = Stream() if streamed else io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, (content, method) in members.items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED if streamed else method)
    return file.content if isinstance(file, Stream) else file.getvalue()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    members=st.dictionaries(NAMES, st.tuples(CONTENTS, METHODS), min_size=1, max_size=5),
    streamed=st.booleans(),
    kept=st.floats(0, 1),
)
def test_what_is_listed_of_a_zip_is_what_was_written(tmp_path: Path, members, streamed: bool, kept: float):
    content = zipped(members, streamed)
    path = tmp_path / "archive.zip"
    path.write_bytes(content)
    with Members(path) as whole:
        assert {name: whole.read(name, 10_000) for name in whole.names} == {n: text for n, (text, _) in members.items()}
        assert whole.problems == []
    path.write_bytes(content[: int(kept * (len(content) - 1))])
    try:
        cut = Members(path)
    except SourceError:
        return  # not even the first was whole
    assert cut.problems[0].message.startswith("the zip is cut short")
    for name in cut.names:
        assert cut.read(name, 10_000) == members[name][0]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_zip_cut_at_any_byte_gives_the_members_before_the_cut(tmp_path: Path, streamed: bool):
    members = {"00/first": (b"words", 8), "empty": (b"", 0), "last one": (b"x" * 40, 8)}
    content = zipped(members, streamed)
    path = tmp_path / "archive.zip"
    end_of_first = content.index(b"PK\x03\x04", 4)
    found = []
    for kept in range(end_of_first, len(content)):
        path.write_bytes(content[:kept])
        with Members(path) as cut:
            assert all(cut.read(name, 99) == members[name][0] for name in cut.names)
            assert cut.problems[0].message.startswith("the zip is cut short")
            found.append(len(cut.names))
    assert found == sorted(found)
    assert set(found) == {1, 2, 3}


def test_a_member_larger_than_it_may_be_is_not_read(tmp_path: Path):
    (tmp_path / "archive.zip").write_bytes(zipped({"a": (b"x" * 100, zipfile.ZIP_DEFLATED)}, streamed=False))
    with Members(tmp_path / "archive.zip") as members:
        assert members.read("a", 100) == b"x" * 100
        with pytest.raises(SourceError, match="more than 99 bytes"):
            members.read("a", 99)
        with pytest.raises(SourceError, match="not in the archive"):
            members.open("b")


def test_backslashes_between_folders_are_those_of_another_system(tmp_path: Path):
    (tmp_path / "archive.zip").write_bytes(zipped({"A\\B\\c": (b"x", 0), "..\\d": (b"y", 0)}, streamed=False))
    with Members(tmp_path / "archive.zip") as members:
        assert members.names == ["A/B/c"]
        assert members.read("A/B/c", 9) == b"x"
        assert [str(problem) for problem in members.problems] == ["../d: left out: its path points outside the archive"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_named(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("a", b"first")
        archive.writestr("a", b"second")
    with Members(tmp_path / "archive.zip") as members:
        assert members.read("a", 9) == b"second"
        assert "more than once" in members.problems[0].message
