from streamapp.kafka.backlog import Backlog


def test_many_rows_pause_and_half_of_them_resume() -> None:
    backlog = Backlog(100, 10_000)
    assert not backlog.add(99, 0)
    assert backlog.room() == 1
    assert backlog.add(1, 0)
    assert backlog.room() == 0
    assert not backlog.add(10, 0)
    assert not backlog.remove(50, 0)
    assert backlog.room() == 0
    assert backlog.remove(10, 0)
    assert backlog.room() == 50


def test_few_large_rows_pause_as_well() -> None:
    backlog = Backlog(100, 10_000)
    assert backlog.add(2, 10_000)
    assert backlog.room() == 0
    assert not backlog.remove(1, 4_000)
    assert backlog.remove(1, 6_000)
    assert backlog.room() == 100


def test_one_limit_alone_does_not_resume() -> None:
    backlog = Backlog(100, 10_000)
    backlog.add(100, 10_000)
    assert not backlog.remove(100, 0)
    assert backlog.remove(0, 10_000)
