"""Settings: typed, read once, traced to their source, and never shown with their secrets."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from cli.settings import Settings, SettingsError, kafka_settings, masked_url, read_settings, shown, warnings
from cli.show_settings import settings as verb

Set = Callable[..., None]
NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no setting from outside."""
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Set:
    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


def test_without_any_setting_everything_is_embedded_and_local(tmp_path: Path) -> None:
    settings = read_settings()

    assert (settings.kafka_bootstrap_servers, settings.database_url, settings.amqp_url) == (None, None, None)
    assert settings.home == tmp_path / ".lockstep"
    assert settings.api_host == "127.0.0.1"
    assert settings.shards == 4


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(put: Set) -> None:
    """And each setting knows where it came from; an empty one counts as unset."""
    Path(".env").write_text("SYMBOLS=solusdt\nSPEED=10\nLOCKSTEP_SHARDS=8\nDURATION=\n")
    put(SPEED="max", LOCKSTEP_SHARDS="")
    settings = read_settings()
    sources = {row.name: row.source for row in shown(settings)}

    assert (settings.symbols, settings.speed, settings.duration) == (("SOLUSDT",), "max", None)
    assert (sources["SYMBOLS"], sources["SPEED"], sources["DURATION"]) == (".env", "environment", "default")


def test_only_the_documented_names_count(put: Set, tmp_path: Path) -> None:
    """HOME is everybody's, and must not become the place where things are stored."""
    put(HOME="/somewhere/else", SHARDS="9", REGISTRY="x", API_PORT="1")
    settings = read_settings()

    assert settings.home == tmp_path / ".lockstep"
    assert settings.shards == 4


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("LOCKSTEP_SHARDS", "0", "1 to 1024"),
        ("LOCKSTEP_SHARDS", "four", "1 to 1024"),
        ("LOCKSTEP_API_PORT", "70000", "0 to 65535"),
        ("LOCKSTEP_LOG_FORMAT", "xml", "console or json"),
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost", "host:port"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b:x", "host:port"),
        ("DATABASE_URL", "mysql://x/y", "postgresql://"),
        ("AMQP_URL", "http://x", "amqp://"),
        ("LOCKSTEP_API_KEY", "short", "16 characters"),
        ("SPEED", "0", "above 0"),
        ("SPEED", "fast", "max"),
        ("SPEED", "nan", "above 0"),
        ("DURATION", "-1", "a number of seconds"),
        ("SYMBOLS", "BTC USDT", "BTCUSDT"),
        ("SYMBOLS", ",", "BTCUSDT"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(
    put: Set, name: str, value: str, allowed: str
) -> None:
    put(**{name: value})
    with pytest.raises(SettingsError, match=rf"{name} \(environment\).*{re.escape(allowed)}"):
        read_settings()


def test_every_bad_value_is_named_at_once(put: Set) -> None:
    put(LOCKSTEP_SHARDS="0", SPEED="fast")
    with pytest.raises(SettingsError) as refused:
        read_settings()

    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize("name", ["DATABASE_URL", "AMQP_URL", "LOCKSTEP_API_KEY"])
def test_a_bad_secret_is_not_repeated(put: Set, name: str) -> None:
    put(**{name: "hunter2"})
    with pytest.raises(SettingsError) as refused:
        read_settings()

    assert "hunter2" not in str(refused.value)
    assert name in str(refused.value)


def test_no_secret_is_shown(put: Set) -> None:
    """Neither in the listing, nor as JSON, nor when a program prints its settings."""
    put(
        DATABASE_URL="postgresql://me:hunter2@db:5432/lockstep?sslmode=require",
        AMQP_URL="amqps://me:hunter2@mq:5671/x",
        LOCKSTEP_API_KEY="hunter2hunter2hunter2",
        KAFKA_SASL_PASSWORD="hunter2",
        KAFKA_SSL_KEY_PASSWORD="hunter2",
        KAFKA_SSL_KEY_PEM="hunter2",
        KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET="hunter2",
    )
    app = Typer()
    app.command()(verb)
    outputs = [CliRunner().invoke(app, options, env={"COLUMNS": "500"}).output for options in ([], ["--json"])]

    assert "hunter2" not in "".join(outputs) + repr(read_settings())
    rows = {row["name"]: row for row in json.loads(outputs[1])}
    assert rows["DATABASE_URL"]["value"] == "postgresql://me:***@db:5432/lockstep?sslmode=require"
    assert rows["KAFKA_SASL_PASSWORD"] | {"about": "", "allowed": ""} == {
        "name": "KAFKA_SASL_PASSWORD",
        "value": "***",
        "source": "environment",
        "about": "",
        "allowed": "",
    }


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=3).map(lambda s: f"~{s}~"))
def test_whatever_the_password_is_the_address_does_not_show_it(password: str) -> None:
    """Also when it holds the characters that addresses are made of."""
    hidden = masked_url(f"postgresql://me:{password}@db.example:5432/lockstep")

    assert password not in hidden
    assert hidden.startswith("postgresql://me:***@")


def test_librdkafkas_own_properties_pass_through_and_nothing_else_does(put: Set) -> None:
    """What exactness rests on, such as acks, cannot be changed from outside."""
    put(
        KAFKA_BOOTSTRAP_SERVERS="broker:9092",
        KAFKA_SECURITY_PROTOCOL="SASL_SSL",
        KAFKA_SASL_USERNAME="me",
        KAFKA_SSL_CA_LOCATION="/etc/ca.pem",
        KAFKA_ACKS="0",
        KAFKA_HOME="/opt/kafka",
    )
    assert kafka_settings() == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "me",
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert [line.split()[0] for line in warnings()] == ["KAFKA_ACKS", "KAFKA_HOME"]


def test_a_misspelt_setting_is_pointed_out_with_the_nearest_name(put: Set) -> None:
    put(LOCKSTEP_SHARD="8")
    assert warnings() == ["LOCKSTEP_SHARD is no setting and is ignored; did you mean LOCKSTEP_SHARDS?"]


def test_a_file_that_is_no_text_is_refused() -> None:
    Path(".env").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        read_settings()


def test_every_setting_says_what_it_means_and_what_is_allowed() -> None:
    for row in shown(read_settings()):
        assert row.about, row.name
        assert row.allowed, row.name
