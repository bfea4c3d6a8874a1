"""One run of a flow writes an output; a second one is refused, spoils nothing, and takes over when the first dies."""

from cli import sessions
from tests.flows.exact import GROWING, catches_up, reached
from tests.installation import Installation


def test_a_second_run_is_refused_and_takes_over_when_the_first_is_killed(database_url, tmp_path, start):
    """Exit code 5 with the holder's name, also for a run with another LOCKSTEP_HOME, which only shares the log."""
    installation = Installation(tmp_path / "home", database_url, None)
    collector, first = start(installation, *GROWING), start(installation, "run")
    reached(installation, first, 10)
    elsewhere = Installation(tmp_path / "elsewhere", database_url, None)
    log = sessions.current(elsewhere.home) / "log"
    log.symlink_to(installation.home / "session" / "log")
    far = start(elsewhere, "run")
    for options in ([], ["--processes", "2"], ["--discard-state"]):
        near = installation.run("run", *options, code=5)

        assert f"process {first.process.pid} already runs features" in near
    assert f"already has a writer: features/0 pid {first.process.pid} on " in far.end(5)
    before = first.said
    first.kill()

    catches_up(installation, collector, start(installation, "run"))
    assert before == ""
