"""Invoices, to the cent."""
