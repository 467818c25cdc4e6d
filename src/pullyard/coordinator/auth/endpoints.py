"""Sessions for browsers, tokens for programs and workers."""

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.coordinator.auth.identify import Person, Principal, cookie_name, is_https, remember_caller
from pullyard.coordinator.auth.login_page import LOGIN_PAGE, LOGIN_SCRIPT, LOGIN_STYLE
from pullyard.coordinator.auth.sessions import describe_session, exchange_link
from pullyard.coordinator.news import credentials_revoked
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import LoginExchange, Page, Session, Token, TokenInput
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1", tags=["auth"])
pages = APIRouter(include_in_schema=False)


@pages.get("/login")
async def login_page() -> HTMLResponse:
    return HTMLResponse(LOGIN_PAGE, headers={"cache-control": "no-store"})


@pages.get("/login.js")
async def login_script() -> Response:
    return Response(LOGIN_SCRIPT, media_type="text/javascript")


@pages.get("/login.css")
async def login_style() -> Response:
    return Response(LOGIN_STYLE, media_type="text/css")


@router.post("/session", status_code=201)
async def log_in(
    exchange: LoginExchange, request: Request, response: Response, services: ServicesNeeded
) -> Session:
    """Exchanges a one-time login link for a session cookie."""
    async with services.database.transaction() as connection:
        session, issued = await exchange_link(
            connection, exchange.link_token, session_seconds=services.settings.session_seconds
        )
    caller = Principal(issued.id, session.tenant_id, CredentialKind.SESSION, session.member_id, None)
    remember_caller(request, caller)
    response.set_cookie(
        cookie_name(request),
        issued.secret,
        max_age=services.settings.session_seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_https(request),
    )
    return session


@router.get("/session")
async def show_session(person: Person, services: ServicesNeeded) -> Session:
    async with services.database.transaction() as connection:
        return await describe_session(connection, person)


@router.delete("/session", status_code=204)
async def log_out(person: Person, request: Request, response: Response, services: ServicesNeeded) -> None:
    """Ends the session that the cookie stands for; an API token is revoked by its own address."""
    if person.kind is CredentialKind.SESSION:
        async with services.database.transaction() as connection:
            await connection.execute(
                named("credential_revoke"), {"tenant_id": person.tenant_id, "id": person.credential_id}
            )
        credentials_revoked(services)
    response.delete_cookie(cookie_name(request), path="/", secure=is_https(request), httponly=True)


@router.get("/tokens")
async def list_tokens(
    person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Token]:
    """API and enrolment tokens that still work; their secrets are not kept."""
    async with services.database.transaction() as connection:
        rows = (
            (
                await connection.execute(
                    named("token_list"),
                    {"tenant_id": person.tenant_id, "before": before(cursor), "limit": limit + 1},
                )
            )
            .mappings()
            .all()
        )
    return page(rows, limit, Token.model_validate)


@router.post("/tokens", status_code=201)
async def create_token(wish: TokenInput, person: Person, services: ServicesNeeded) -> Token:
    enrolment = wish.kind == "enrolment"
    default_seconds = services.settings.enrolment_seconds if enrolment else None
    async with services.database.transaction() as connection:
        issued = await issue(
            connection,
            CredentialKind(wish.kind),
            tenant_id=person.tenant_id,
            seconds=wish.seconds if wish.seconds is not None else default_seconds,
            name=wish.name,
            member_id=person.member_id,
        )
    return Token(
        id=issued.id,
        name=wish.name,
        kind=wish.kind,
        created_at=issued.created_at,
        expires_at=issued.expires_at,
        last_used_at=None,
        secret=issued.secret,
    )


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(token_id: str, person: Person, services: ServicesNeeded) -> None:
    async with services.database.transaction() as connection:
        revoked = await connection.execute(
            named("credential_revoke"), {"tenant_id": person.tenant_id, "id": token_id}
        )
    credentials_revoked(services)
    if revoked.rowcount == 0:
        raise NotFound("token")
