"""What tokens cost, from a table with a date. A model that is not in it costs as much as the dearest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from pullyard.protocol.errors import RequestError

UNIT = "US dollars per million tokens"
MOST_DOLLARS = 1_000_000


@dataclass(frozen=True)
class Tokens:
    """What one answer used. The four kinds of input exclude each other."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


class LongPrompt(msgspec.Struct, frozen=True):
    """Requests with a prompt above this size cost a multiple, all of their tokens."""

    above_tokens: int
    times: Decimal
    output_times: Decimal | None = None
    """None: the same."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens, which is micro-dollars per token. Of a cache, None is as without one."""

    prefix: str
    """Of a model's name; ``*`` is any other."""
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    long_prompt: LongPrompt | None = None

    def __post_init__(self) -> None:
        # Nobody pays a client for asking, and a hostile number would only make the counting slow.
        for name in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h"):
            price = getattr(self, name)
            if price is not None and not (price.is_finite() and 0 <= price <= MOST_DOLLARS):
                raise ValueError(f"{name} is from 0 to {MOST_DOLLARS} dollars per million tokens")

    def cost_micros(self, tokens: Tokens) -> int:
        """Rounded up, so that no request is free but where tokens are."""
        written = self.input if self.cache_write_5m is None else self.cache_write_5m
        prompt = (
            self.input * tokens.input
            + (self.input if self.cache_read is None else self.cache_read) * tokens.cache_read
            + written * tokens.cache_write_5m
            + (written if self.cache_write_1h is None else self.cache_write_1h) * tokens.cache_write_1h
        )
        output, long = self.output * tokens.output, self.long_prompt
        if long is not None and tokens.prompt > long.above_tokens:
            prompt *= long.times
            output *= long.times if long.output_times is None else long.output_times
        return int((prompt + output).to_integral_value(ROUND_CEILING))


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    as_of: str
    unit: str = UNIT
    models: list[Price]
    unknown: str | None = None
    """The prefix whose price models that are not in the list have; None: the dearest."""

    def find(self, model: str) -> Price | None:
        """The longest prefix that ends at a word's end: ``opus-4`` must not price ``opus-45``."""
        fitting = [price for price in self.models if _names(price.prefix, model)]
        return max(fitting, key=lambda price: len(price.prefix), default=None)

    def of(self, model: str) -> Price:
        found = self.find(model)
        if found is None:
            found = next((price for price in self.models if price.prefix == self.unknown), None)
        return found or max(self.models, key=lambda price: price.output)


def _names(prefix: str, model: str) -> bool:
    following = model[len(prefix) :][:1]
    return prefix == "*" or (model.startswith(prefix) and not following.isalnum() and following != ".")


@dataclass(frozen=True)
class PriceBook:
    """The lists that come with the worker, and those of its owner, which are asked first."""

    own: Mapping[str, PriceList] = field(default_factory=dict[str, PriceList])

    def of(self, names: Sequence[str], model: str) -> Price:
        """``names`` are the endpoint's and the provider's; the last has a list that came with the worker."""
        for name in names:
            if name in self.own and (price := self.own[name].find(model)) is not None:
                return price
        return price_list(names[-1]).of(model)


@cache
def price_list(provider: str) -> PriceList:
    data = (files("pullyard.worker.gateway") / "prices.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, PriceList])[provider]


def load_prices(path: Path | None) -> PriceBook:
    """The owner's lists, by endpoint or provider, in the shape of those that come with the worker.

    Raises RequestError where the file can't be used.
    """
    if path is None:
        return PriceBook()
    try:
        return PriceBook(msgspec.json.decode(path.read_bytes(), type=dict[str, PriceList]))
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise RequestError(f"The prices in {path} can't be used: {error}") from error
