"""Which silence is a loss: one in which a pong is owed."""

from __future__ import annotations

from devservers.transport.exec.heartbeat import FIRST_PING_SECONDS, PING_SECONDS, PINGS_UNANSWERED, Heartbeat

from .scripted import FakeClock


class Stream:
    """A heartbeat, looked at every second."""

    def __init__(self, reads_on: bool = False) -> None:
        self.clock = FakeClock()
        self.heartbeat = Heartbeat(self.clock, reads_on)
        self.pings: list[bytes] = []

    def lost_within(self, seconds: int) -> bool:
        """Whether the peer is given up in the next seconds, if nothing comes."""
        for _ in range(seconds):
            self.clock.time += 1
            if self.heartbeat.due:
                if self.heartbeat.is_lost:
                    return True
                self.pings.append(self.heartbeat.ping())
        return False

    def answering(self) -> Stream:
        """Its first ping has been answered."""
        assert not self.lost_within(1)
        self.heartbeat.pong(self.pings[-1])
        return self


def test_the_first_ping_is_early_and_the_rest_come_at_their_interval() -> None:
    stream = Stream()
    stream.lost_within(25)
    assert stream.pings == [b"1", b"2", b"3"]
    assert FIRST_PING_SECONDS == 1


def test_a_minute_of_pings_without_a_pong_is_a_loss() -> None:
    assert PINGS_UNANSWERED * PING_SECONDS == 60
    stream = Stream().answering()
    assert not stream.lost_within(69)
    assert stream.lost_within(1)


def test_a_peer_that_has_never_answered_is_waited_for() -> None:
    assert not Stream().lost_within(3600)


def test_a_pong_that_answers_nothing_is_no_answer() -> None:
    for payload in (b"", b"0", b"2", b"x", b"-1"):
        stream = Stream()
        stream.lost_within(1)
        stream.heartbeat.pong(payload)
        assert not stream.lost_within(3600)


def test_data_that_is_not_read_holds_up_the_pong_for_as_long_as_it_likes() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data()
    assert not stream.lost_within(3600)


def test_data_that_was_sent_before_the_first_ping_does_too() -> None:
    stream = Stream()
    stream.heartbeat.sent_data()
    assert not stream.lost_within(3600)


def test_a_pong_to_a_ping_after_the_data_proves_that_it_was_read() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data()
    stream.lost_within(10)
    stream.heartbeat.pong(stream.pings[-1])
    assert stream.lost_within(70)


def test_a_pong_to_a_ping_before_the_data_does_not() -> None:
    stream = Stream()
    stream.lost_within(1)
    stream.heartbeat.sent_data()
    stream.heartbeat.pong(b"1")
    assert not stream.lost_within(3600)


def test_a_pong_that_is_owed_stays_so_whatever_is_sent_after_its_ping() -> None:
    stream = Stream().answering()
    stream.lost_within(10)
    stream.heartbeat.sent_data()
    assert stream.lost_within(60)


def test_anything_that_arrives_is_life() -> None:
    stream = Stream().answering()
    for _ in range(10):
        assert not stream.lost_within(55)
        stream.heartbeat.heard()
    assert stream.lost_within(71)


def test_time_in_which_nobody_looked_is_no_silence() -> None:
    stream = Stream().answering()
    stream.lost_within(10)
    stream.clock.time += 600
    assert not stream.lost_within(40)


def test_a_transfer_of_which_nothing_moves_for_five_minutes_is_lost() -> None:
    stream = Stream(reads_on=True).answering()
    stream.heartbeat.sent_data()
    assert not stream.lost_within(300)
    assert stream.lost_within(10)


def test_a_transfer_that_crawls_is_not() -> None:
    stream = Stream(reads_on=True).answering()
    for _ in range(10):
        stream.heartbeat.sent_data()
        assert not stream.lost_within(250)
        stream.heartbeat.sent()
