from streamapp.control.broker_time import BrokerTime
from streamapp.testing import ManualClock


def test_time_goes_on_from_the_record_that_was_read_last():
    clock = ManualClock(now_ms=1_700_000_000_000)
    time = BrokerTime(clock)
    assert time.now_ms() is None
    time.hear(5_000)
    clock.advance(2.5)
    assert time.now_ms() == 7_500
    # Neither this machine's wall clock nor a broker's that was ahead has a lasting effect.
    clock.set_wall(0)
    time.hear(90_000)
    time.hear(8_000)
    assert time.now_ms() == 8_000
