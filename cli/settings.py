"""Settings: few, typed, read once from the environment or a ``.env`` file in the current folder."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from dotenv import dotenv_values
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from cli.archive_settings import ArchiveSettings
from cli.backfill_settings import BackfillSettings
from cli.exchange_settings import ExchangeSettings
from cli.learning_settings import LearningSettings
from cli.setting import setting

DOTENV = ".env"
KAFKA = "KAFKA_"
PASSED_ON = (
    "security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "client.", "socket.", "reconnect.", "broker.address.",
    "metadata.", "connections.", "debug", "https.",
)  # fmt: skip
"""Beginnings of the librdkafka properties that may be set from outside; the rest is what exactness depends on."""
SECRET = re.compile(r"password|secret|\.pem|\.key$|token", re.IGNORECASE)
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9_-]{1,29}")


class SettingsError(Exception):
    """Settings that cannot be used; the message names each with what is allowed."""


class Settings(LearningSettings, ExchangeSettings, BackfillSettings, ArchiveSettings):
    """Everything that the environment decides. What a strategy or a registry decides is in files."""

    model_config = SettingsConfigDict(env_file=DOTENV, env_ignore_empty=True, extra="ignore", frozen=True)

    kafka_bootstrap_servers: str | None = setting(
        "KAFKA_BOOTSTRAP_SERVERS", None, "Kafka-compatible log; unset: the embedded log", "host:port,host:port ..."
    )
    database_url: SecretStr | None = setting(
        "DATABASE_URL", None, "PostgreSQL; unset: the embedded server", "postgresql://user:password@host:port/database"
    )
    amqp_url: SecretStr | None = setting(
        "AMQP_URL", None, "RabbitMQ of the other services; unset: none", "amqp://user:password@host:port/vhost"
    )
    ws_gateway_host: str | None = setting(
        "WS_GATEWAY_HOST", None, "Host of ws-gateway; unset: nobody creates subscriptions", "a host name"
    )
    ws_gateway_port: int = setting(
        "WS_GATEWAY_PORT", 4400, "Port of ws-gateway", "a whole number from 1 to 65535", ge=1, le=65535
    )
    ws_gateway_api_key: SecretStr | None = setting("WS_GATEWAY_API_KEY", None, "Our key at ws-gateway", "a text")
    position_manager_host: str | None = setting(
        "POSITION_MANAGER_HOST", None, "Host of position-manager; unset: positions are not asked for", "a host name"
    )
    position_manager_port: int = setting(
        "POSITION_MANAGER_PORT", 4800, "Port of position-manager", "a whole number from 1 to 65535", ge=1, le=65535
    )
    position_manager_api_key: SecretStr | None = setting(
        "POSITION_MANAGER_API_KEY", None, "Our key at position-manager", "a text"
    )
    home: Path = setting("LOCKSTEP_HOME", Path(".lockstep"), "Where everything that is stored here lives", "a folder")
    shards: int = setting(
        "LOCKSTEP_SHARDS", 4, "Shards of each topic, when it is created", "a whole number from 1 to 1024", ge=1, le=1024
    )
    retention_days: float | None = setting(
        "LOCKSTEP_RETENTION_DAYS", None, "How long new topics keep records; unset: for ever",
        "a number of days above 0", gt=0,
    )  # fmt: skip
    models: Path | None = setting(
        "MODEL_STORAGE_PATH", None, "Where model files live; unset: models in LOCKSTEP_HOME", "a folder"
    )
    datasets: Path | None = setting(
        "FEATURE_SERVICE_DATASET_STORAGE_PATH", None, "Where datasets live; unset: datasets in LOCKSTEP_HOME",
        "a folder",
    )  # fmt: skip
    dataset_workers: int | None = setting(
        "FEATURE_SERVICE_DATASET_WORKERS", None,
        "Processes that compute the rows of a large dataset; unset: one for each core, at most 8",
        "a whole number from 1 to 8", ge=1, le=8,
    )  # fmt: skip
    topic_prefix: str = setting(
        "LOCKSTEP_TOPIC_PREFIX", "", "Put before the name of every topic, for several installations on one cluster",
        "letters, digits, '.', '_' and '-'", pattern=r"^[A-Za-z0-9._-]{0,100}$",
    )  # fmt: skip
    registry: str = setting(
        "LOCKSTEP_REGISTRY", "full", "Feature registry", "a version in config/feature_registry, or a YAML file"
    )
    registries: Path | None = setting(
        "FEATURE_REGISTRY_VERSIONS_DIR", None,
        "Where feature registries live that are created; unset: feature_registry in LOCKSTEP_HOME", "a folder",
    )  # fmt: skip
    legacy_registry: Path | None = setting(
        "FEATURE_REGISTRY_PATH", None, "Registry file of an older installation, taken over as a version once", "a file"
    )
    migrate_registry: bool = setting(
        "FEATURE_REGISTRY_AUTO_MIGRATE", True, "Whether FEATURE_REGISTRY_PATH is taken over", "true or false"
    )
    registry_from_table: bool = setting(
        "FEATURE_REGISTRY_USE_DB", True,
        "Whether a new log begins with the registry that was activated last, before LOCKSTEP_REGISTRY", "true or false",
    )  # fmt: skip
    quality_missing_limit: float = setting(
        "DATA_QUALITY_MAX_MISSING_RATE", 0.01, "Share of missing data in five minutes above which there is an alert",
        "a number from 0 to 1", ge=0, le=1,
    )  # fmt: skip
    quality_anomaly_limit: float = setting(
        "DATA_QUALITY_MAX_ANOMALY_RATE", 0.01, "Share of impossible data in five minutes above which there is an alert",
        "a number from 0 to 1", ge=0, le=1,
    )  # fmt: skip
    quality_desynchronisation_limit: float = setting(
        "DATA_QUALITY_MAX_DESYNCHRONISATIONS", 3, "Times in five minutes that a book may be lost without an alert",
        "a number from 0 on", ge=0,
    )  # fmt: skip
    api_host: str = setting(
        "LOCKSTEP_API_HOST", "127.0.0.1", "Address that the API listens on", "an address of this machine", min_length=1
    )
    api_port: int = setting(
        "LOCKSTEP_API_PORT", 8080, "Port of the API; 0: any free one", "a whole number from 0 to 65535", ge=0, le=65535
    )
    api_key: SecretStr | None = setting(
        "LOCKSTEP_API_KEY", None, "Key of the API; unset: made once and stored", "a text of at least 16 characters"
    )
    log_format: Literal["console", "json"] = setting(
        "LOCKSTEP_LOG_FORMAT", "console", "How log lines look", "console or json"
    )
    flow: Literal["trading", "features"] = setting(
        "FLOW", "trading", "Dataflow that run-dataflow runs", "trading or features"
    )
    account: str = setting(
        "LOCKSTEP_ACCOUNT", "paper", "Account that signals trade", "paper, live (an order-manager), or a YAML file"
    )
    strategies: Path | None = setting(
        "LOCKSTEP_STRATEGIES",
        None,
        "Strategies that run-dataflow puts in force; unset: those that come along",
        "a folder",
    )
    source: str = setting(
        "SOURCE", "demo", "Where market data come from", "demo, bybit, ws-gateway, or a recorded file or folder"
    )
    symbols: Annotated[tuple[str, ...], NoDecode] = setting(
        "SYMBOLS", ("BTCUSDT", "ETHUSDT"), "Symbols to collect", "names such as BTCUSDT,ETHUSDT"
    )
    speed: float | Literal["max"] = setting(
        "SPEED", 1.0, "Speed of demo and recorded sources", "a number above 0 (1: as it happened), or max"
    )
    duration: float | None = setting(
        "DURATION", None, "Seconds after which run-dataflow ends; 0 or unset: Ctrl-C", "a number of seconds", ge=0
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _addresses(cls, servers: str | None) -> str | None:
        for server in (servers or "host:1").split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError("not host:port")
        return servers

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: SecretStr | None) -> SecretStr | None:
        try:
            conninfo_to_dict(url.get_secret_value() if url else "")
        except ProgrammingError:
            raise ValueError("not a PostgreSQL address") from None
        return url

    @field_validator("amqp_url")
    @classmethod
    def _amqp(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not re.match(r"amqps?://[^/]*[^/@:]", url.get_secret_value()):
            raise ValueError("not an AMQP address")
        return url

    @field_validator("api_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key and len(key.get_secret_value().strip()) < 16:
            raise ValueError("too short")
        return key

    @field_validator("symbols", mode="before")
    @classmethod
    def _symbols(cls, value: Any) -> Any:
        names = [name.strip().upper() for name in value.split(",")] if isinstance(value, str) else list(value)
        names = [name for name in names if name]
        if not names or not all(SYMBOL.fullmatch(name) for name in names):
            raise ValueError("not symbols")
        return tuple(dict.fromkeys(names))

    @field_validator("speed")
    @classmethod
    def _positive(cls, speed: float | Literal["max"]) -> float | Literal["max"]:
        if speed != "max" and not 0 < speed < float("inf"):
            raise ValueError("not above 0")
        return speed


class Shown(BaseModel):
    """One setting as people may see it: secrets masked. ``source`` is ``environment``, ``.env`` or ``default``."""

    name: str
    value: str | None
    source: Literal["environment", ".env", "default"]
    about: str
    allowed: str


class Given(NamedTuple):
    """What a person wrote, by upper-case name, and where."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]

    def source(self, name: str) -> Literal["environment", ".env", "default"]:
        if self.environment.get(name):
            return "environment"
        return ".env" if self.dotenv.get(name) else "default"

    def all(self) -> dict[str, str]:
        return {**self.dotenv, **{name: value for name, value in self.environment.items() if value}}


def given() -> Given:
    """The environment and the ``.env`` file as they are now.

    Raises:
        SettingsError: when the file is not text.
    """
    try:
        file = dotenv_values(DOTENV)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{DOTENV} cannot be read: {error}") from error
    return Given(
        {name.upper(): value for name, value in os.environ.items()},
        {name.upper(): value for name, value in file.items() if value},
    )


def read_settings() -> Settings:
    """The settings of this program.

    Raises:
        SettingsError: naming every setting that is wrong, and what is allowed.
    """
    found = given()
    try:
        return Settings()
    except ValidationError as error:
        names = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors(include_input=False))
        raise SettingsError("\n".join(_refusal(name, found) for name in names)) from None


def kafka_settings() -> dict[str, str]:
    """``KAFKA_SASL_USERNAME`` and the like as librdkafka's own properties (``sasl.username``)."""
    return {
        _property(name): value
        for name, value in given().all().items()
        if name.startswith(KAFKA) and value and _property(name).startswith(PASSED_ON)
    }


def warnings() -> list[str]:
    """One line for every variable that looks like a setting of ours and is none."""
    names = [_name(field) for field in Settings.model_fields]
    lines = []
    for name in sorted(given().all()):
        if name.startswith("LOCKSTEP_") and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
            lines.append(f"{name} is no setting and is ignored; did you mean {near}?")
        if name.startswith(KAFKA) and name not in names and not _property(name).startswith(PASSED_ON):
            lines.append(f"{name} is not passed on to librdkafka; KAFKA_SECURITY_*, KAFKA_SASL_*, KAFKA_SSL_* are")
    return lines


def shown(settings: Settings) -> list[Shown]:
    """Every setting and every property passed on to librdkafka, for people."""
    found = given()
    rows = [
        Shown(
            name=_name(field),
            value=_masked(_name(field), getattr(settings, field)),
            source=found.source(_name(field)),
            about=info.description or "",
            allowed=_allowed(field),
        )
        for field, info in Settings.model_fields.items()
    ]
    for key, value in kafka_settings().items():
        name = KAFKA + key.upper().replace(".", "_")
        about, allowed = f"librdkafka's {key}", "see librdkafka"
        rows.append(
            Shown(name=name, value=_masked(key, value), source=found.source(name), about=about, allowed=allowed)
        )
    return rows


def masked_url(url: str) -> str:
    """An address without its password, also where it is a parameter.

    >>> masked_url("postgresql://me:secret@db:5432/lockstep?password=x"), masked_url("host=db password='a b'")
    ('postgresql://me:***@db:5432/lockstep?password=***', 'host=db password=***')
    """
    url = re.sub(r"(://[^/@:]*):.*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^&\s]+)", r"\1***", url, flags=re.IGNORECASE)


def _masked(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return masked_url(value.get_secret_value()) if name.endswith("_URL") else "***"
    if SECRET.search(name):
        return "***"
    if isinstance(value, dict):
        return ",".join(f"{key}={item:g}" for key, item in value.items())
    return ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _property(name: str) -> str:
    return name.removeprefix(KAFKA).lower().replace("_", ".")


def _name(field: str) -> str:
    return str(Settings.model_fields[field].validation_alias)


def _allowed(field: str) -> str:
    extra = Settings.model_fields[field].json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _refusal(name: str, found: Given) -> str:
    field = next(field for field in Settings.model_fields if name in (field, _name(field)))
    value = found.all().get(_name(field), "")
    secret = Settings.model_fields[field].annotation == SecretStr | None
    said = "its value" if secret else repr(value)
    return f"{_name(field)} ({found.source(_name(field))}): {said} cannot be used; allowed is {_allowed(field)}"
