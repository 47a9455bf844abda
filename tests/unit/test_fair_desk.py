"""Work of one workspace, or for one endpoint, occupies no more than its share of a process's workers."""

from __future__ import annotations

from chalicelib.handlers.fair_desk import FairDesk, Share

Item = tuple[str, str, int]


def desk(workers: int = 25) -> FairDesk[Item]:
    return FairDesk(workers, [Share(lambda item: item[0], 5), Share(lambda item: item[:2], 2)])


def items(workspace: str, endpoints: int, each: int = 1) -> list[Item]:
    return [(workspace, f"e-{endpoint}", number) for number in range(each) for endpoint in range(endpoints)]


def test_a_workspace_has_five_workers_and_the_next_one_its_own() -> None:
    fair = desk()
    fair.add([*items("a", 10), *items("b", 3)])
    assert [item[0] for item in fair.take()] == ["a"] * 5 + ["b"] * 3
    assert fair.take() == []


def test_an_endpoint_has_two_workers() -> None:
    fair = desk()
    fair.add(items("a", 1, each=4))
    assert [number for *_, number in fair.take()] == [0, 1]


def test_work_that_ends_makes_room_for_the_next_of_its_group_in_order() -> None:
    fair = desk()
    fair.add(items("a", 1, each=4))
    first, _ = fair.take()
    fair.release(first)
    assert [number for *_, number in fair.take()] == [2]


def test_no_more_is_taken_than_there_are_workers() -> None:
    fair = desk(workers=4)
    fair.add([*items("a", 3), *items("b", 3)])
    assert (len(fair.take()), fair.free_workers) == (4, 0)


def test_what_is_there_already_is_not_added_again() -> None:
    fair = desk()
    fair.add(items("a", 2))
    fair.add(items("a", 2))
    assert len(fair.take()) == 2
    fair.add(items("a", 2))
    assert fair.take() == []


def test_no_more_of_a_workspace_waits_than_allowed() -> None:
    fair = desk()
    fair.add(items("a", 10), most=6)
    fair.add(items("b", 1), most=6)
    taken = fair.take()
    assert [item[0] for item in taken] == ["a"] * 5 + ["b"]
    for item in taken:
        fair.release(item)
    assert len(fair.take()) == 1


def test_what_waits_can_be_left_out() -> None:
    fair = desk()
    fair.add(items("a", 10))
    taken = fair.take()
    fair.drop_waiting()
    assert fair.is_working_for(taken[0])
    for item in taken:
        fair.release(item)
    assert not fair.is_working_for(taken[0])
    assert fair.take() == []
