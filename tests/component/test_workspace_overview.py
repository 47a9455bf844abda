"""The overview of the workspace's pages: figures, charts and their table."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from chalicelib.api.pages.overview_charts import TIME_TICKS, nested_bars, round_up, stacked_bars
from chalicelib.domain.daily_counts import LIMITS, DayCounts
from tests.support.product import ACCOUNT, WORKSPACE, Product, booking
from tests.support.workspace_visitor import open_workspace


def took(**seconds: int) -> tuple[int, ...]:
    """Times by the limit of their bucket, such as `_5=3` for three of at most five seconds."""
    counted = {int(name[1:]): number for name, number in seconds.items()}
    return (*(counted.get(limit, 0) for limit in LIMITS), 0)


def figures(page: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return {label: re.sub("<.*?>", "", value) for label, value in found}


def test_it_shows_the_sums_of_the_period_and_what_waits_now(connected: Product) -> None:
    store, today = connected.services.daily_count_store, connected.clock().date()
    store.add(WORKSPACE, today, DayCounts(links=10, failures=1, times=took(_3=10)))
    store.add(WORKSPACE, today - timedelta(days=29), DayCounts(links=10, times=took(_300=10)))
    store.add(WORKSPACE, today - timedelta(days=30), DayCounts(links=500))
    store.add("ws-2", today, DayCounts(links=77))
    connected.zoom.identity.end_grant(ACCOUNT.user_id)
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    browser = connected.browser()
    open_workspace(connected, browser)
    page = browser.get("/workspace/overview")

    assert figures(page.text) == {
        "Waiting now": "1",
        "Broken connections": "1",
        "Links made": "20",
        "Failed": "1",
        "Median time to link": "3 s",
        "95 % within": "5 min",
    }
    assert page.text.count("<svg") == 2 and page.text.count("<title>") == 1 + 30 + 2
    assert "20 links were made, 1 bookings failed." in page.text
    assert len(re.findall(r'<tr><th scope="row">', page.text)) == 30
    assert " style=" not in page.text and "<script" not in page.text
    assert figures(browser.get("/workspace/overview?days=90").text)["Links made"] == "520"
    assert figures(browser.get("/workspace/overview?days=7").text)["Links made"] == "10"
    assert figures(browser.get("/workspace/overview?days=1e9").text)["Links made"] == "20"


def test_a_workspace_without_links_says_so(product: Product) -> None:
    browser = product.browser()
    open_workspace(product, browser)
    page = browser.get("/workspace/overview")
    assert "No booking got a link in these days." in page.text
    assert "<svg" not in page.text


def test_bars_stand_on_the_axis_and_stack_up_to_its_top() -> None:
    (bar,) = stacked_bars([(3, 1)], top=4, lines=3, titles=["a day"]).bars
    assert (bar.y + bar.height, bar.back_y + bar.back_height, bar.back_y) == (100, bar.y, 0)


def test_times_are_on_a_scale_with_its_ticks_at_equal_distances() -> None:
    chart = nested_bars([(seconds, 9e9) for seconds in TIME_TICKS] + [None], [""] * (len(TIME_TICKS) + 1))
    assert [bar.height for bar in chart.bars] == [0, 20, 40, 60, 80, 100]
    assert {bar.back_height for bar in chart.bars} == {100}


@pytest.mark.parametrize(("number", "top"), [(0, 2), (3, 4), (5, 10), (11, 20), (41, 100), (101, 200)])
def test_the_top_of_an_axis_is_a_round_even_number(number: int, top: int) -> None:
    assert round_up(number) == top
