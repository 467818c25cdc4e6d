"""Totals and instalments. All amounts are whole cents, so that nothing is lost to floating point."""


def total(lines, tax_percent=0):
    """The sum of ``(quantity, unit_cents)`` lines, with tax rounded to the nearest cent."""
    net = sum(quantity * unit_cents for quantity, unit_cents in lines)
    return net + (net * tax_percent + 50) // 100


def instalments(total_cents, count):
    """Split an amount into ``count`` payments that differ by a cent at most."""
    if count < 1:
        raise ValueError("An invoice needs one instalment at least.")
    share = round(total_cents / count)
    return [share] * count
