"""Money as whole micro-units of one currency, so that sums are exact."""

from decimal import ROUND_HALF_UP, Decimal

MICROS = 1_000_000


def to_micros(amount: Decimal | float | str) -> int:
    """``"0.12"`` dollars become ``120_000`` micro-dollars; a half micro rounds up."""
    return int((Decimal(str(amount)) * MICROS).to_integral_value(ROUND_HALF_UP))


def from_micros(micros: int) -> Decimal:
    return Decimal(micros) / MICROS


def dollars(micros: int) -> str:
    """``120_000`` becomes ``$0.12``; amounts below a cent keep four places."""
    amount = from_micros(micros)
    return f"${amount:.4f}" if 0 < abs(amount) < Decimal("0.01") else f"${amount:.2f}"
