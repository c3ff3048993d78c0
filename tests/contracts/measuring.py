"""What every engine promises of `Measure`."""

from chatdesk.engine.api import Capability, Engine, Failed, Finished, Measure, Measured, Progress
from chatdesk.errors import Fault
from tests.contracts.contract import IDS, EngineContract, fault, reply, run, tokens


class MeasuringContract(EngineContract):
    """As `EngineContract`."""

    def test_a_measurement_has_every_figure_of_every_round(self, loaded: Engine) -> None:
        assert Capability.MEASURE in loaded.capabilities
        expected = tokens(run(loaded, reply()))
        *progress, last = run(loaded, Measure(next(IDS)))
        assert isinstance(last, Measured), last
        found = last.speeds
        assert progress
        assert all(isinstance(event, Progress) and 0 <= event.done <= event.total for event in progress)
        assert [event.done for event in progress] == sorted(event.done for event in progress)
        for figure in (found.decode, found.prefill, found.first_token):
            assert len(figure.own) == len(figure.plain) == len(found.bandwidth) == 5
            assert min(*figure.own, *figure.plain, *found.bandwidth) > 0
        assert found.bytes_per_token is not None
        assert 0 < found.bytes_per_token <= found.weight_bytes < found.memory_bytes
        assert found.reused_tokens <= found.prompt_tokens
        assert tokens(run(loaded, reply())) == expected

    def test_too_few_rounds_are_refused(self, loaded: Engine) -> None:
        assert fault(loaded, Measure(next(IDS), rounds=4)) == Fault.BAD_VALUE

    def test_a_cancelled_measurement_fails_as_cancelled(self, loaded: Engine) -> None:
        request = Measure(next(IDS), rounds=50)
        events = loaded.run(request)
        first = next(events)
        loaded.cancel(request.id)
        assert isinstance(first, Progress)
        assert list(events)[-1] == Failed(request.id, Fault.CANCELLED, {})
        assert isinstance(run(loaded, reply())[-1], Finished)
