"""Files that handlers save: dry runs, and whatever else is rolled back, leave none; random names make no difference."""

from functools import partial

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import transaction

from orchestration.clock import earlier_than_new_times
from persistence.models import PersistedChunk
from persistence.reprocessing.dry_run_check import apply_if_as_shown, essence
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from persistence.tracking.saved_files import deleting_rolled_back_files
from tests.persistence.results import async_note, note
from tests.seedapp.models import Message, Paper

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


def files(media):
    return sorted(path.name for path in media.rglob("*") if path.is_file())


def filing(content="text", title="paper"):
    """A handler that keeps what it was given in every way there is."""
    kept = [content]

    def file(handler, response):
        paper = Paper(title=title)
        paper.file.save("report.txt", ContentFile(kept[0]), save=False)
        paper.scan.save("scan.png", ContentFile(kept[0]), save=False)
        paper.stored_as = default_storage.save("notes/note.tar.gz", ContentFile(kept[0]))
        paper.save()
        Message.objects.create(role="told", meta={"url": paper.file.url, "name": paper.stored_as})
        return paper

    file.kept = kept
    return file


def broken(handler, response):
    filing()(handler, response)
    raise ValueError


def test_a_dry_run_leaves_no_file_and_applying_agrees(media):
    record = note(filing())
    started = earlier_than_new_times()
    shown = essence(dry_run(record.pk), started)
    assert files(media) == []
    default_storage.save("papers/other.txt", ContentFile("of somebody else"))
    (media / "notes").mkdir(exist_ok=True)
    (media / "notes" / "note.tar.gz").write_text("in the way")
    report, told = apply_if_as_shown(partial(reprocess, record.pk), shown)
    assert (report.outcome, told) == (ReprocessOutcome.PERSISTED, [])
    assert len(files(media)) == 5
    assert PersistedChunk.objects.get().files.keys() == set(report.files)
    assert len(report.files) == 3


def test_another_content_is_a_difference_and_leaves_no_file(media):
    conduct = filing()
    record = note(conduct)
    shown = essence(dry_run(record.pk), earlier_than_new_times())
    conduct.kept[0] = "another"
    _, told = apply_if_as_shown(partial(reprocess, record.pk), shown)
    assert told == ["paper, new number 1: file, scan, stored_as", "message, new number 1: meta"]
    assert files(media) == []


def test_a_handler_that_raises_leaves_no_file(media):
    record = note(broken)
    assert dry_run(record.pk).outcome is ReprocessOutcome.FAILED
    assert reprocess(record.pk).outcome is ReprocessOutcome.FAILED
    persist(record)
    assert record.domain_persist_attempts == 1
    assert files(media) == []


def test_asynchronous_handlers_leave_none(media):
    async def waiting(handler, response):
        name = await default_storage_save("async.txt")
        return await Paper.objects.acreate(title="a", stored_as=name)

    record = async_note(waiting)
    assert dry_run(record.pk).outcome is ReprocessOutcome.PERSISTED
    assert files(media) == []
    persist(record)
    assert files(media) == ["async.txt"]


async def default_storage_save(name):
    return default_storage.save(name, ContentFile("x"))


def test_recreate_compares_contents_and_a_revert_says_what_stays(media):
    conduct = filing()
    record = note(conduct)
    persist(record)
    before = files(media)
    for run in (dry_run, reprocess):
        report = run(record.pk, Policy.RECREATE)
        assert report.outcome is ReprocessOutcome.UNCHANGED, [c.fields for c in report.changes]
        assert files(media) == before
    conduct.kept[0] = "another"
    old = set(PersistedChunk.objects.get().files)
    applied = reprocess(record.pk, Policy.RECREATE)
    assert applied.outcome is ReprocessOutcome.RECREATED
    assert set(applied.left_files) == old
    new = set(PersistedChunk.objects.get().files)
    shown, reverted = revert(record.pk, dry=True), revert(record.pk)
    assert set(shown.left_files) == set(reverted.left_files) == new
    assert not Paper.objects.exists()
    assert len(files(media)) == 6


def test_files_of_a_rolled_back_savepoint_go_and_others_stay(media):
    def trying(handler, response):
        default_storage.save("kept.txt", ContentFile("a"))
        try:
            with transaction.atomic():
                default_storage.save("tried.txt", ContentFile("b"))
                raise ValueError
        except ValueError:
            return Message.objects.create(role="a")

    persist(note(trying))
    assert files(media) == ["kept.txt"]
    assert list(PersistedChunk.objects.get().files) == ["kept.txt"]


def test_a_storage_that_overwrites_gets_back_what_it_had(media):
    storage = FileSystemStorage(location=media / "own", allow_overwrite=True)
    storage.save("one.txt", ContentFile("before"))

    def overwriting(handler, response):
        storage.save("one.txt", ContentFile("after"))

    record = note(overwriting)
    dry_run(record.pk)
    assert (media / "own" / "one.txt").read_text() == "before"
    persist(record)
    assert (media / "own" / "one.txt").read_text() == "after"


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_raises_at_the_commit_costs_no_file(media):
    def hooking(handler, response):
        transaction.on_commit(boom)
        return filing()(handler, response)

    def boom():
        raise ValueError

    persist(note(hooking))
    assert Paper.objects.count() == 1
    assert len(files(media)) == 3


@pytest.mark.django_db(transaction=True)
def test_what_fails_at_the_commit_leaves_no_file(media):
    def dangling(handler, response):
        filing()(handler, response)
        Message.objects.create(simulation_id=999_999)

    record = note(dangling)
    persist(record)
    assert record.domain_persist_attempts == 1
    assert files(media) == []


def test_outside_of_handlers_files_are_nobodys_business(media):
    try:
        with transaction.atomic():
            default_storage.save("mine.txt", ContentFile("a"))
            raise ValueError
    except ValueError:
        assert files(media) == ["mine.txt"]


def test_a_storage_that_cannot_delete_costs_only_the_file(media, monkeypatch, caplog):
    monkeypatch.setattr(FileSystemStorage, "delete", lambda self, name: 1 / 0)
    assert dry_run(note(filing()).pk).outcome is ReprocessOutcome.PERSISTED
    assert "could not be deleted" in caplog.text
    assert "report" not in caplog.text


def test_nested_blocks_leave_deletion_to_the_outer_one(media):
    with deleting_rolled_back_files() as outer:
        try:
            with transaction.atomic():
                with deleting_rolled_back_files() as inner:
                    default_storage.save("a.txt", ContentFile("a"))
                assert len(inner) == 1
                assert files(media) == ["a.txt"]
                raise ValueError
        except ValueError:
            assert len(outer) == 1
    assert files(media) == []
