"""What tokens cost, from a table with a date. A model that is not in it costs as much as the dearest."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache
from importlib.resources import files

import msgspec


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


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars per million tokens, which is micro-dollars per token."""

    prefix: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    long_prompt: LongPrompt | None = None

    def cost_micros(self, tokens: Tokens) -> int:
        """Rounded up, so that no request is free."""
        cost = (
            self.input * tokens.input
            + self.output * tokens.output
            + self.cache_read * tokens.cache_read
            + self.cache_write_5m * tokens.cache_write_5m
            + self.cache_write_1h * tokens.cache_write_1h
        )
        if self.long_prompt is not None and tokens.prompt > self.long_prompt.above_tokens:
            cost *= self.long_prompt.times
        return int(cost.to_integral_value(ROUND_CEILING))


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    as_of: str
    unit: str
    models: list[Price]

    def of(self, model: str) -> Price:
        """The longest prefix that ends at a word's end: ``opus-4`` must not price ``opus-45``."""
        fitting = [price for price in self.models if _names(price.prefix, model)]
        if fitting:
            return max(fitting, key=lambda price: len(price.prefix))
        return max(self.models, key=lambda price: price.output)


def _names(prefix: str, model: str) -> bool:
    return model.startswith(prefix) and not model[len(prefix) :][:1].isalnum()


@cache
def price_list(provider: str) -> PriceList:
    data = (files("pullyard.worker.gateway") / "prices.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, PriceList])[provider]
