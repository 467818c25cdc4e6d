"""What was used."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.costs.report import as_csv, check_days, report_costs
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.costs import CostsQuery, CostsReport

router = APIRouter(prefix="/api/v1/costs", tags=["costs"])
CSV = "text/csv"


@router.get("", response_model=CostsReport, responses={200: {"content": {CSV: {}}}})
async def report(
    request: Request, person: Person, services: ServicesNeeded, query: Annotated[CostsQuery, Query()]
) -> CostsReport | PlainTextResponse:
    """What executions that began in these days have used. As CSV, too, for sheets."""
    days = check_days(query.since, query.until)
    async with services.database.transaction() as connection:
        if query.project_id is not None:
            await read_project(connection, person.tenant_id, query.project_id)
        found = await report_costs(
            connection, person.tenant_id, by=query.by, days=days, project_id=query.project_id
        )
    wants_csv = query.format == "csv" or (query.format is None and CSV in request.headers.get("accept", ""))
    if not wants_csv:
        return found
    name = f"costs-{found.since}-{found.until}-by-{found.by}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "vary": "accept"}
    return PlainTextResponse(as_csv(found), media_type=f"{CSV}; charset=utf-8", headers=headers)
