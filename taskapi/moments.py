"""Times as the API writes them: RFC 3339, UTC, microseconds, `Z`.

In that one form they lie in SQLite, travel in JSON and are compared, as text of a fixed width;
Postgres turns it into `timestamptz` and back.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)


def canonical(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> str:
    return canonical(datetime.now(UTC))


def from_now(**delta: float) -> str:
    return canonical(datetime.now(UTC) + timedelta(**delta))


def ago(**delta: float) -> str:
    return canonical(datetime.now(UTC) - timedelta(**delta))


def as_datetime(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def seconds_since(moment: str) -> float:
    return (datetime.now(UTC) - as_datetime(moment)).total_seconds()


def parse(text: str) -> str:
    """An RFC 3339 time in canonical form, or ValueError."""
    found = _RFC3339.fullmatch(text)
    if not found:
        raise ValueError("not an RFC 3339 time")
    *numbers, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    micros = int((fraction or "0")[:6].ljust(6, "0"))  # what is finer is cut
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    try:
        moment = datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except OverflowError:
        raise ValueError("out of range") from None
    if not 1900 <= moment.year <= 2999:
        raise ValueError("out of range")
    return canonical(moment)
