"""`lockstep up` and `lockstep down`: servers in the background for work with several verbs."""

import json

import psycopg

from tests.cli.homes import Home, ended, kill_9


def test_up_keeps_a_database_until_down(home: Home) -> None:
    """Several at once start one, each says how to reach it, and ``down`` ends it and keeps the data."""
    said = {ended(process) for process in [home.start("up"), home.start("up")]}
    again = json.loads(home.run("up", "--json"))

    assert said == {"".join(f"export {name}='{value}'\n" for name, value in again.items())}
    assert list(again) == ["DATABASE_URL"]
    assert len(home.processes("up", "--hold")) == 1
    with psycopg.connect(again["DATABASE_URL"]) as connection:
        assert connection.execute("select count(*) from lockstep_migrations").fetchone() != (0,)

    assert home.run("down") == "down\n"
    assert not home.processes()
    assert home.run("down") == "nothing was up\n"


def test_a_killed_keeper_leaves_nothing_behind_and_up_starts_another(home: Home) -> None:
    home.run("up")
    keeper = home.one("up", "--hold")
    kill_9(keeper)
    home.nothing_left()
    home.run("up")

    assert home.one("up", "--hold").pid != keeper.pid
    home.run("down")
    assert not home.processes()
