"""Fetching Apache Kafka's jars with Maven, once."""

import fcntl
import re
import shutil
import subprocess
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
COMPLETE = ".complete"
LOCK = ".lock"
FETCH_SECONDS = 300


class KafkaServerError(Exception):
    """The broker could not be fetched or started; the message says what to do."""


def _version() -> str:
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([\d.]+)</version>", POM.read_text())
    if found is None:
        raise KafkaServerError(f"{POM} does not name a version of kafka")
    return found[1]


KAFKA_VERSION = _version()
"""The version that ``pom.xml`` names."""


def program(name: str, package: str) -> str:
    """The path of a program.

    Raises:
        KafkaServerError: naming the Debian package that brings it.
    """
    if found := shutil.which(name):
        return found
    raise KafkaServerError(f"Apache Kafka needs `{name}`, which is not installed: apt-get install {package}")


def fetch_jars(jars: Path) -> Path:
    """Put Kafka's jars (43 MB) into the folder ``jars``, unless they are there; returns it.

    A folder is per version: ``.lockstep/kafka/<version>``. An interrupted fetch is repeated.

    Raises:
        KafkaServerError: without Java or Maven, or when Maven fails.
    """
    program("java", "default-jre-headless")
    jars.mkdir(parents=True, exist_ok=True)
    with (jars / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that fetch at once would read what the other is writing
        if not (jars / COMPLETE).exists():
            _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    command = [
        program("mvn", "maven"), "-q", "-B", "-f", str(POM), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={jars.absolute()}",
    ]  # fmt: skip
    try:
        result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=FETCH_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise KafkaServerError(f"Maven did not fetch Apache Kafka within {FETCH_SECONDS} s: try again") from error
    if result.returncode:
        reason = (result.stdout + result.stderr).strip()[-800:]
        raise KafkaServerError(f"Maven could not fetch Apache Kafka {KAFKA_VERSION}:\n{reason}")
    (jars / COMPLETE).touch()
