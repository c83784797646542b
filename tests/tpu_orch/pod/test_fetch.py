"""Inputs from elsewhere: copied once, checked by hash, looked at again, never from outside their folder."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from data_pipeline.errors import InputError
from tpu_orch.pod.fetch import fetch, is_remote, local_arguments


@pytest.fixture
def bucket() -> Iterator[object]:
    """A folder with two files in fsspec's memory."""
    system = fsspec.filesystem("memory")
    system.pipe({"/bucket/booking/tools.json": b"[]", "/bucket/booking/deep/er.jsonl": b'{"a": 1}\n'})
    yield system
    system.rm("/bucket", recursive=True)


def counted(system: object, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is copied from now on."""
    copied: list[str] = []
    real = type(system).get_file

    def get_file(self: object, path: str, *given: object, **named: object) -> object:
        copied.append(path)
        return real(self, path, *given, **named)

    monkeypatch.setattr(type(system), "get_file", get_file)
    return copied


def test_a_folder_is_copied_once(bucket: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = counted(bucket, monkeypatch)
    folder = fetch("memory://bucket/booking", tmp_path)
    assert folder.name == "booking"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.json*")} == {"tools.json", "deep/er.jsonl"}
    assert fetch("memory://bucket/booking", tmp_path) == folder and len(copied) == 2


def test_processes_of_a_host_copy_once(bucket: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = counted(bucket, monkeypatch)
    with ThreadPoolExecutor(8) as beside:  # each opens the lock's file by itself, as a process does
        folders = list(beside.map(lambda _: fetch("memory://bucket/booking", tmp_path), range(8)))
    assert len(set(folders)) == 1 and len(copied) == 2


def test_a_changed_copy_is_made_again(bucket: object, tmp_path: Path) -> None:
    folder = fetch("memory://bucket/booking", tmp_path)
    (folder / "tools.json").write_text("[1]")
    assert (fetch("memory://bucket/booking", tmp_path) / "tools.json").read_text() == "[]"


def test_a_changed_source_is_another_copy(bucket: object, tmp_path: Path) -> None:
    before = fetch("memory://bucket/booking/tools.json", tmp_path)
    bucket.pipe({"/bucket/booking/tools.json": b"[2, 3]"})  # type: ignore[attr-defined]
    after = fetch("memory://bucket/booking/tools.json", tmp_path)
    assert (before.read_text(), after.read_text()) == ("[]", "[2, 3]") and before.name == after.name == "tools.json"


def test_a_hash_that_is_given_must_fit(bucket: object, tmp_path: Path) -> None:
    right = hashlib.sha256(b"[]").hexdigest()
    assert fetch(f"memory://bucket/booking/tools.json#sha256={right}", tmp_path).read_text() == "[]"
    assert fetch(f"memory://bucket/booking/tools.json#sha256={right.upper()}", tmp_path).read_text() == "[]"
    with pytest.raises(InputError, match=f"its sha256 is {right}"):
        fetch(f"memory://bucket/booking/tools.json#sha256={'0' * 64}", tmp_path)
    with pytest.raises(InputError, match="64 digits"):
        fetch("memory://bucket/booking/tools.json#md5=7", tmp_path)


def test_sums_beside_the_files_are_checked(bucket: object, tmp_path: Path) -> None:
    sums = f"{hashlib.sha256(b'[]').hexdigest()}  tools.json\n{'0' * 64} *./deep/er.jsonl\n"
    bucket.pipe({"/bucket/booking/SHA256SUMS": sums.encode()})  # type: ignore[attr-defined]
    assert fetch("memory://bucket/booking/tools.json", tmp_path).exists()
    with pytest.raises(InputError, match=r"sha256 of deep/er\.jsonl is"):
        fetch("memory://bucket/booking", tmp_path)
    assert not list((tmp_path / "fetched").glob("[!.]*/**/booking"))
    bucket.pipe({"/bucket/booking/SHA256SUMS": b"00  gone.jsonl\n"})  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"names gone\.jsonl"):
        fetch("memory://bucket/booking", tmp_path)


def test_sums_are_read_however_they_were_written(bucket: object, tmp_path: Path) -> None:
    right = [hashlib.sha256(b"[]").hexdigest().upper(), hashlib.sha256(b'{"a": 1}\n').hexdigest()]
    sums = f"\ufeff# of Monday\r\n{right[0]}  tools.json\r\n\r\n{right[1]} *deep/er.jsonl\n\n  \n"
    bucket.pipe({"/bucket/booking/SHA256SUMS": sums.encode()})  # type: ignore[attr-defined]
    assert (fetch("memory://bucket/booking", tmp_path) / "tools.json").exists()
    bucket.pipe({"/bucket/booking/SHA256SUMS": (sums + "SHA256 (tools.json) = 00\n").encode()})  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"SHA256SUMS:7: expected a sha256 and a name, .*found 'SHA256 \(tools"):
        fetch("memory://bucket/booking", tmp_path)


def test_no_name_of_the_data_is_taken_by_the_note(bucket: object, tmp_path: Path) -> None:
    files = {"/bucket/fetched.json": b"{}", "/bucket/under/fetched.json/fetched.json": b"[1]"}
    bucket.pipe(files)  # type: ignore[attr-defined]
    for _ in range(2):
        assert fetch("memory://bucket/fetched.json", tmp_path).read_bytes() == b"{}"
        folder = fetch("memory://bucket/under/fetched.json", tmp_path)
        assert folder.name == "fetched.json" and (folder / "fetched.json").read_bytes() == b"[1]"


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for location in ("memory://bucket/nothing", "nosuchscheme://bucket/x"):
        with pytest.raises(InputError, match=location):
            fetch(location, tmp_path)


def test_names_that_lead_out_are_refused(bucket: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"/bucket/booking/../../x": {"name": "x", "size": 1, "type": "file"}}
    monkeypatch.setattr(type(bucket), "find", lambda *given, **named: told)
    with pytest.raises(InputError, match="leads out"):
        fetch("memory://bucket/booking", tmp_path)


def test_only_inputs_are_fetched(bucket: object, tmp_path: Path) -> None:
    words = [
        "booking",
        "--data",
        "memory://bucket/booking",
        "--store=memory://bucket/booking/tools.json",
        "--out",
        "gs://b/o",
    ]
    found = local_arguments(words, tmp_path)
    assert Path(found[2]).is_dir() and Path(found[3].removeprefix("--store=")).read_text() == "[]"
    assert found[:2] == words[:2] and found[4:] == words[4:]
    assert is_remote("gs://b/x") and not is_remote("runs/x") and not is_remote("module:name")
