"""Which silence is a loss: one in which a pong is owed."""

from __future__ import annotations

from devservers.transport.exec.heartbeat import MOST_UNREAD, PING_SECONDS, PINGS_UNANSWERED, PROOF_BYTES, Heartbeat

from .scripted import FakeClock


class Stream:
    """A heartbeat, looked at every second."""

    def __init__(self, reads_on: bool = False, answers: bool = False) -> None:
        self.clock = FakeClock()
        self.heartbeat = Heartbeat(self.clock, reads_on, answers)
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


def test_the_first_ping_is_due_at_once_and_the_rest_come_at_their_interval() -> None:
    stream = Stream()
    assert stream.heartbeat.due
    stream.lost_within(25)
    assert stream.pings == [b"1", b"2", b"3"]


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
    stream.heartbeat.sent_data(100)
    assert not stream.lost_within(3600)


def test_a_peer_that_is_known_to_answer_owes_the_pong_to_the_first_ping() -> None:
    assert Stream(answers=True).lost_within(71)


def test_more_data_than_buffers_hold_was_read_by_somebody_who_owes_a_pong() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data(MOST_UNREAD)
    assert not stream.lost_within(3600)
    stream.heartbeat.sent_data(1)
    assert stream.lost_within(70)


def test_data_that_is_queued_was_not_read() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data(2 * MOST_UNREAD)
    for _ in range(100):
        assert not stream.heartbeat.is_lost
        stream.heartbeat.ping(queued=MOST_UNREAD)


def test_a_proof_is_due_after_much_data() -> None:
    heartbeat = Stream().answering().heartbeat
    due = []
    heartbeat.sent_data(PROOF_BYTES - 1)
    due.append(heartbeat.proof_due)
    heartbeat.sent_data(1)
    due.append(heartbeat.proof_due)
    heartbeat.proof()
    due.append(heartbeat.proof_due)
    assert due == [False, True, False]


def test_data_before_a_proof_that_was_answered_was_read() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data(MOST_UNREAD)
    proof = stream.heartbeat.proof()
    stream.heartbeat.sent_data(MOST_UNREAD)
    stream.heartbeat.pong(proof)
    assert not stream.lost_within(3600)
    stream.heartbeat.sent_data(1)
    assert stream.lost_within(70)


def test_a_proof_is_no_ping_that_may_be_missed() -> None:
    stream = Stream().answering()
    for _ in range(100):
        stream.heartbeat.proof()
    assert not stream.lost_within(60)
    assert stream.lost_within(10)


def test_data_that_was_sent_before_the_first_ping_does_too() -> None:
    stream = Stream()
    stream.heartbeat.sent_data(100)
    assert not stream.lost_within(3600)


def test_a_pong_to_a_ping_after_the_data_proves_that_it_was_read() -> None:
    stream = Stream().answering()
    stream.heartbeat.sent_data(100)
    stream.lost_within(10)
    stream.heartbeat.pong(stream.pings[-1])
    assert stream.lost_within(70)


def test_a_pong_to_a_ping_before_the_data_does_not() -> None:
    stream = Stream()
    stream.lost_within(1)
    stream.heartbeat.sent_data(100)
    stream.heartbeat.pong(b"1")
    assert not stream.lost_within(3600)


def test_a_pong_that_is_owed_stays_so_whatever_is_sent_after_its_ping() -> None:
    stream = Stream().answering()
    stream.lost_within(10)
    stream.heartbeat.sent_data(100)
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
    stream.heartbeat.sent_data(100)
    assert not stream.lost_within(300)
    assert stream.lost_within(10)


def test_so_is_one_of_which_nothing_ever_moved() -> None:
    stream = Stream(reads_on=True)
    assert not stream.lost_within(300)
    assert stream.lost_within(10)


def test_a_transfer_that_crawls_is_not() -> None:
    stream = Stream(reads_on=True).answering()
    for _ in range(10):
        stream.heartbeat.sent_data(100)
        assert not stream.lost_within(250)
        stream.heartbeat.sent()
