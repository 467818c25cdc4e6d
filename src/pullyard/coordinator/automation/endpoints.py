"""A project's automation: started, paused, resumed and stopped by people, fed while it runs."""

from fastapi import APIRouter

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.automation.control import change_automation
from pullyard.coordinator.automation.inject import Injector
from pullyard.coordinator.automation.list_errands import follow_list, request_list
from pullyard.coordinator.automation.status import read_status
from pullyard.coordinator.news import errands_changed, queue_changed
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.automation import AutomationEvent
from pullyard.lifecycle.task_lists.model import DEFAULT_PATH
from pullyard.protocol.automation import Automation, AutomationStart, Injected, Injection
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1/projects/{project_id}/automation", tags=["automation"])


@router.get("")
async def show(project_id: str, person: Person, services: ServicesNeeded) -> Automation:
    """State, progress, what runs, what comes next, what stopped it, and the task list that it follows."""
    async with services.database.transaction() as connection:
        return await read_status(connection, person.tenant_id, project_id)


@router.post("/start")
async def start(
    project_id: str, person: Person, services: ServicesNeeded, wish: AutomationStart | None = None
) -> Automation:
    """Claims the project's tasks, and follows its task list from now on. Repeatable."""
    async with services.database.transaction() as connection:
        project = await change_automation(connection, person.tenant_id, project_id, AutomationEvent.START)
        followed = (await connection.execute(named("list_row"), {"project_id": project_id})).one_or_none()
        told = wish is not None and "task_list" in wish.model_fields_set
        if told or followed is None:
            await follow_list(connection, project, wish.task_list if wish else DEFAULT_PATH)
        if not told or (wish is not None and wish.task_list):
            await request_list(connection, person.tenant_id, project_id)
        automation = await read_status(connection, person.tenant_id, project_id)
    publish(services)
    return automation


@router.post("/pause")
async def pause(project_id: str, person: Person, services: ServicesNeeded) -> Automation:
    """Lets what runs go on to its end, and claims nothing new. Repeatable."""
    return await change(services, person.tenant_id, project_id, AutomationEvent.PAUSE)


@router.post("/resume")
async def resume(project_id: str, person: Person, services: ServicesNeeded) -> Automation:
    """After a pause, or after an error halted it. Repeatable."""
    return await change(services, person.tenant_id, project_id, AutomationEvent.RESUME)


@router.post("/stop")
async def stop(project_id: str, person: Person, services: ServicesNeeded) -> Automation:
    """Ends what runs with its work saved; those tasks are queued for the next start. Repeatable."""
    return await change(services, person.tenant_id, project_id, AutomationEvent.STOP)


@router.post("/sync")
async def sync(project_id: str, person: Person, services: ServicesNeeded) -> Automation:
    """Asks a worker to read the task list now; `task_list.under_way` is true until it did."""
    async with services.database.transaction() as connection:
        await lock_project(connection, person.tenant_id, project_id)
        await request_list(connection, person.tenant_id, project_id)
        automation = await read_status(connection, person.tenant_id, project_id)
    errands_changed(services)
    return automation


@router.post("/inject", status_code=201)
async def inject(project_id: str, wish: Injection, person: Person, services: ServicesNeeded) -> Injected:
    """Puts tasks at the front, at the end, or beside a task; all of them or none."""
    async with services.database.transaction() as connection:
        injector = Injector(connection, person.tenant_id, project_id, person.member_id)
        injected = await injector.inject(wish)
    queue_changed(services)
    return injected


async def change(services: Services, tenant_id: str, project_id: str, event: AutomationEvent) -> Automation:
    async with services.database.transaction() as connection:
        await change_automation(connection, tenant_id, project_id, event)
        automation = await read_status(connection, tenant_id, project_id)
    publish(services)
    return automation


def publish(services: Services) -> None:
    queue_changed(services)
    errands_changed(services)
