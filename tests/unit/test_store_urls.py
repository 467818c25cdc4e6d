"""The spellings of a database's address."""

import pytest

from pullyard.store.errors import StoreRefused
from pullyard.store.urls import for_libpq, for_sqlalchemy, password_apart, without_password


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_every_scheme_is_understood(scheme):
    url = for_sqlalchemy(f"{scheme}://user:p%40ss@host:6000/name?sslmode=require")
    assert (url.drivername, url.password, url.port, url.query) == (
        "postgresql+asyncpg",
        "p@ss",
        6000,
        {"ssl": "require"},
    )


def test_it_goes_back_to_what_libpq_wants():
    address = "postgresql://user:p%40ss@host:6000/name?sslmode=require"
    assert for_libpq(str(address)) == address
    assert for_libpq("postgres://pullyard@/pullyard?host=%2Frun%2Fx").endswith("?host=%2Frun%2Fx")


def test_the_password_is_taken_out():
    assert password_apart("postgres://u:s3cret@h/n") == ("postgresql://u@h/n", "s3cret")
    assert "s3cret" not in without_password("postgres://u:s3cret@h/n")


@pytest.mark.parametrize("address", ["mysql://h/n", "nonsense", "postgres://h:port/n"])
def test_what_is_no_address_is_refused_without_being_repeated(address):
    with pytest.raises(StoreRefused) as refused:
        for_sqlalchemy(address)
    assert address not in str(refused.value)
