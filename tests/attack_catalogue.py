"""Every attack that Pullyard has to stand, with what holds it and where it has to be tried.

A test joins a row by ``@pytest.mark.attack("row")``; ``make attacks`` runs those tests and shows the rows.
"""

from dataclasses import dataclass

ISOLATED = ("bubblewrap", "docker")
ALL = (*ISOLATED, "unsafe-directory")
OUTSIDE = ("outside",)
"""The guard stands in the worker or in the coordinator, and is the same whatever the sandbox is."""
PLACES = (*ALL, *OUTSIDE)


@dataclass(frozen=True)
class Row:
    name: str
    """Its part, a colon, and the attack."""
    defence: str
    places: tuple[str, ...] = ISOLATED
    """Where it has to be tried at least."""
    later: str = ""
    """Why it can't be tried yet; such a row has no test."""


ROWS = (
    Row("git: poisoned configuration", "the worker never runs git where an agent could write", ALL),
    Row("git: hooks", "the worker's git has none, and never looks at the agent's", ALL),
    Row("git: .git that leads elsewhere", "the harvest has a git directory of its own", ALL),
    Row("git: nested repositories", "the harvest refuses gitlinks", ALL),
    Row("git: hostile submodules", ".gitmodules is protected, gitlinks are refused, none is fetched", ALL),
    Row("git: addresses of other protocols", "a list of protocols, for the worker's git too", OUTSIDE),
    Row("git: Git LFS", "no filter runs; new pointers are refused", ALL),
    Row(
        "git: names that mean .git", "every spelling is refused, in and outside of the sandbox", ALL + OUTSIDE
    ),
    Row("git: names that collide", "refused, by case and by Unicode's forms", ALL),
    Row("paths: links out of the workspace", "links stay links, and wait for a person", ALL),
    Row(
        "paths: swapped while they are read",
        "files are read inside; outside nothing follows a link",
        ISOLATED + OUTSIDE,
    ),
    Row("paths: .., %2e, NUL, absolute", "ids are checked, trees are read without a file system", OUTSIDE),
    Row("size: pack bomb", "bounds on input, memory and processor", OUTSIDE),
    Row("size: a tree of 10^10 files", "a bound on changes, counted while walking", OUTSIDE),
    Row("logs: bytes that steer a terminal", "kept as they are, made harmless where they are shown"),
    Row("logs: forged control lines", "control has a channel of its own"),
    Row("logs: a line of 100 MB", "bounds on lines, pieces and logs"),
    Row("secrets: in logs, in any encoding", "nothing secret is inside"),
    Row("secrets: at the coordinator", "kept as hashes only", OUTSIDE),
    Row("secrets: masking of streams", "the worker's secrets and known tokens become stars", OUTSIDE),
    Row("egress: metadata address", "no network; the proxy never goes there", ISOLATED + OUTSIDE),
    Row("egress: private ranges", "no network; every address must be public", ISOLATED + OUTSIDE),
    Row("egress: IPv6", "no network, and all kinds of tunnels refused", ISOLATED + OUTSIDE),
    Row("egress: DNS", "no network; the proxy resolves, outside", ISOLATED),
    Row("egress: a host that is not listed", "exact names, one reading only", ISOLATED + OUTSIDE),
    Row("egress: data through an allowed host", "methods and paths, where the proxy can see them", OUTSIDE),
    Row(
        "egress: another host inside a tunnel",
        "the name inside TLS is the tunnel's, or nothing leaves",
        OUTSIDE,
    ),
    Row("egress: floods of the proxy", "bounds on connections, heads, bodies and time", OUTSIDE),
    Row("resources: fork bomb", "a bound on processes"),
    Row("resources: memory", "a control group, sized temporary file systems"),
    Row("resources: disk", "measured while commands run"),
    Row("resources: inodes", "measured while commands run"),
    Row("resources: leftover daemons", "a process namespace that ends with its command"),
    Row("resources: a neighbour's latency", "bounds on processors and processes"),
    Row("sandbox: ways out", "namespaces, no capability, a filter of system calls, an account of its own"),
    Row("sandbox: a neighbour's files and processes", "namespaces, an account for each slot"),
    Row("requests: DNS rebinding", "a name is resolved once, and what was checked is connected to", OUTSIDE),
    Row("requests: redirects", "none is followed", OUTSIDE),
    Row("requests: address of a repository", "a grammar of addresses, no plain HTTP to others", OUTSIDE),
    Row("requests: work of a model's provider", "known fields, tools and contents alone pass", OUTSIDE),
    Row("requests: address of a webhook", "", later="Pullyard sends no webhooks yet"),
    Row("webhooks: forgery", "an HMAC of the raw body, before anything is read of it", OUTSIDE),
    Row("webhooks: replay", "known by its signed content, in the transaction of its effect", OUTSIDE),
    Row(
        "live stream: a page of another site",
        "the origin is checked, a ticket is for one connection",
        OUTSIDE,
    ),
    Row("live stream: another tenant's news", "every subscription is authorised, revoking ends it", OUTSIDE),
    Row("routes: another tenant's ids", "every route that there is, tried by a stranger", OUTSIDE),
    Row("routes: another's idempotency key", "it belongs to tenant, member, route and body", OUTSIDE),
    Row("leases: stale writes", "a fence, checked in the same transaction", OUTSIDE),
    Row("leases: double completion", "the second finish changes nothing", OUTSIDE),
    Row("leases: clocks a day off", "the database's time alone counts", OUTSIDE),
    Row("workers: stolen tokens", "hashed, scoped, rotating, revoked at once", OUTSIDE),
    Row("coordinator: a hostile one", "the worker owner's policy, signed tasks", OUTSIDE),
    Row("agent: set-up in the repository", "settings from outside the repository only"),
    Row(
        "agent: another model's address",
        "the gateway's address and a worthless key stand inside",
    ),
    Row("words: prompt injection", "who follows it has no power: no credential, no network, no base branch"),
    Row("words: titles, branches and Markdown", "words are data; orders to forges are broken", OUTSIDE),
    Row("words: forged receipts", "signed by the worker; nobody else's words write or hide one", OUTSIDE),
    Row("verify: files of continuous integration", "protected paths wait for a person", ALL),
    Row("verify: tests tampered with", "commands from the base branch, on a fresh checkout"),
    Row("verify: dependency confusion", "a fresh sandbox, and only the hosts that were named"),
)
BY_NAME = {row.name: row for row in ROWS}
