import logging

from config.log_filters import WithoutResults


def record(message, *arguments, exc_info=None):
    made = logging.LogRecord("django-q", logging.ERROR, "x.py", 1, message, arguments, exc_info)
    assert WithoutResults().filter(made) is True
    return logging.Formatter("%(message)s").format(made)


def test_a_failed_task_is_logged_without_its_result():
    text = record("Failed 'orchestration.tasks.sweep' (ten-blue-cats) - ValueError: Maria has a fever : Traceback")
    assert text == "Failed 'orchestration.tasks.sweep' (ten-blue-cats)"


def test_an_exception_is_logged_by_its_type():
    try:
        raise ConnectionError("postgres://user:password@host")
    except ConnectionError as error:
        text = record("Failed to pull task from %s", "broker", exc_info=(type(error), error, error.__traceback__))
    assert text == "Failed to pull task from broker error=ConnectionError"


def test_other_lines_stay_as_they_are():
    assert record("reincarnated worker %s after death", "Process-1") == "reincarnated worker Process-1 after death"
