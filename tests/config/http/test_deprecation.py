"""Old paths answer for one more release, and say so in every response."""

from __future__ import annotations

import pytest
from ninja import NinjaAPI, Router

from config.http.deprecation import HEADER, SINCE, announce_deprecation
from persistence.testing import persist
from tests.orchestration.api.conftest import caller  # noqa: F401 - a fixture
from tests.persistence.reprocessing.test_reprocess import memo
from tests.persistence.test_api import operator  # noqa: F401 - a fixture

OF_2026_11_28 = "@1795824000"


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "new", "status"), [("persist", "reprocess", 200), ("replay", "rerun", 202)])
def test_an_old_path_does_what_the_new_one_does_and_says_so(operator, old, new, status):  # noqa: F811
    call = memo("hi")
    persist(call)
    before, now = (operator.post(f"/service-calls/{call.pk}/{name}", {}) for name in (old, new))
    assert (before.status_code, now.status_code) == (status, status)
    assert before.json().keys() == now.json().keys()
    assert (before.get(HEADER), now.get(HEADER)) == (OF_2026_11_28, None)


@pytest.mark.django_db
@pytest.mark.parametrize(("old", "status"), [("persist", 404), ("replay", 403)])
def test_a_refusal_says_so_as_well(caller, old, status):  # noqa: F811
    refused = caller("ann").post(f"/service-calls/{memo('hi').pk}/{old}", {})
    assert refused.status_code == status
    assert refused[HEADER] == OF_2026_11_28


@pytest.mark.parametrize(("extra", "missing"), [({}, SINCE), ({SINCE: "2026-11-28"}, "asynchronous")])
def test_an_operation_that_cannot_say_so_is_refused(extra, missing):
    router = Router()

    @router.get("/old", deprecated=True, openapi_extra=extra)
    async def old(request):
        return {}

    NinjaAPI(urls_namespace=f"deprecation-{missing}").add_router("", router)
    with pytest.raises(ValueError, match=missing):
        announce_deprecation(router.path_operations["/old"].operations[0])
