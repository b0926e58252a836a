"""The circuit breaker, with a clock of its own."""

import pytest
from tests.larder.events.live_store_contract import Clock

from larder.runtime.circuit import Circuit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    """One that three failures open for five seconds."""
    return Circuit(3, 5.0, clock)


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        assert circuit.admits()
        circuit.failed()


def test_failures_in_a_row_open_it_and_others_do_not(circuit: Circuit) -> None:
    fail(circuit, 2)
    circuit.succeeded()
    fail(circuit, 2)
    assert circuit.admits()
    circuit.failed()
    assert not circuit.admits()


def test_after_the_time_one_call_is_made_alone_and_decides(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 4.9
    assert not circuit.admits()
    clock.now += 0.2
    # WHEN one call is made THEN others are not until its result
    assert [circuit.admits() for _ in range(3)] == [True, False, False]
    circuit.failed()
    clock.now += 4.9
    assert not circuit.admits()
    clock.now += 0.2
    assert circuit.admits()
    circuit.succeeded()
    assert all(circuit.admits() for _ in range(3))
    fail(circuit, 3)
    assert not circuit.admits()


def test_a_call_that_never_reports_does_not_close_it_for_ever(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 5.1
    assert circuit.admits()
    clock.now += 5.1
    assert circuit.admits()
