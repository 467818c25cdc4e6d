"""Requests that are JSON objects of known fields: each is taken by name, and what is not known is refused."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from pullyard.worker.gateway.metering import MOST_TOKENS
from pullyard.worker.gateway.provider import Refused

Fields = dict[str, msgspec.Raw]
T = TypeVar("T")

_decode_fields = msgspec.json.Decoder(Fields).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_number = msgspec.json.Decoder(int | None).decode
_EMPTY = (b"null", b"[]", b"false", b'""')
"""These ask for nothing; an empty object may well switch something on."""
_NULL = (b"null",)
MOST_FIELDS = 1000
SHOWN_CHARACTERS = 60
FETCHES = "The gateway lets no request name an address or a stored file: send the data itself."


def names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def decode_fields(body: bytes | msgspec.Raw) -> Fields:
    """Raises Refused."""
    try:
        fields = _decode_fields(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("The body is not a JSON object.") from error
    if len(fields) > MOST_FIELDS:
        raise Refused(f"An object of a request has at most {MOST_FIELDS} fields.")
    return fields


def encode_fields(fields: Mapping[str, msgspec.Raw]) -> bytes:
    """The values as they came."""
    return msgspec.json.encode(fields)


def check_fields(fields: Fields, known: frozenset[str]) -> None:
    """What is empty asks for nothing and may have any name. Raises Refused."""
    unknown = next((name for name in fields if name not in known and given(fields, name)), None)
    if unknown is not None:
        raise Refused(f"The gateway does not pass the field {shown(unknown)}.")


def given(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    return value is not None and not _is_one_of(value, _EMPTY)


def _is_one_of(value: msgspec.Raw, texts: tuple[bytes, ...]) -> bool:
    # Most values are long, and need not be copied to be seen.
    view = memoryview(value)
    return len(view) < 16 and bytes(view).strip() in texts


def decode_value(fields: Fields, name: str, decode: Callable[[msgspec.Raw], T]) -> T | None:
    """None where it is not there. Raises Refused."""
    value = fields.get(name)
    if value is None or _is_one_of(value, _NULL):
        return None
    try:
        return decode(value)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(f"The field {name} is not as the provider's API has it.") from error


def read_text(fields: Fields, name: str) -> str:
    return decode_value(fields, name, _decode_text) or ""


def read_number(fields: Fields, *names: str) -> int:
    """The largest of them, 0 where there is none. Raises Refused."""
    numbers = [decode_value(fields, name, _decode_number) or 0 for name in names]
    if not all(0 <= number <= MOST_TOKENS for number in numbers):
        raise Refused(f"The field {names[0]} is no number of tokens.")
    return max(numbers)


def check_tier(fields: Fields, name: str = "service_tier") -> None:
    """Other tiers have other prices. Raises Refused."""
    if read_text(fields, name).lower() not in ("", "auto", "default", "standard"):
        raise Refused("The gateway lets no request choose a speed or place with another price.")


def check_unstored(fields: Fields) -> None:
    """Raises Refused for what the provider would keep."""
    if given(fields, "store"):
        raise Refused("The gateway lets no request be stored: send store as false.")


def own_tool(name: str) -> Refused:
    return Refused(f"The gateway lets no request use the provider's own tool {shown(name)}.")


def is_data(address: str | None) -> bool:
    """Whether what may be an address holds the data itself."""
    return address is None or address == "" or address[:5].lower() == "data:"


def shown(text: str) -> str:
    """A foreign word in a sentence of ours."""
    return ascii(text[:SHOWN_CHARACTERS])[1:-1]
