"""What a client remembers: facts, so many and no more."""

from __future__ import annotations

from devservers.transport.memory import Memory


def test_what_was_learned_is_known_until_it_is_forgotten() -> None:
    memory = Memory()
    assert not memory.knows(("lacking", "sh"))
    memory.learn(("lacking", "sh"))
    assert memory.knows(("lacking", "sh"))
    assert not memory.knows(("lacking", "env"))
    memory.forget(("lacking", "sh"))
    memory.forget("what it never knew")
    assert not memory.knows(("lacking", "sh"))


def test_the_oldest_facts_make_room_for_new_ones() -> None:
    memory = Memory(limit=3)
    for fact in range(10):
        memory.learn(fact)
    assert [fact for fact in range(10) if memory.knows(fact)] == [7, 8, 9]
