"""The schema, one numbered step a file; a released step is never changed."""

from importlib.resources import files

from alembic import op


def run_script(name: str) -> None:
    """Runs a file of SQL beside the steps, however many statements it has, in the migration's transaction."""
    script = files(__name__).joinpath("versions", name).read_text(encoding="utf-8")
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(script))
