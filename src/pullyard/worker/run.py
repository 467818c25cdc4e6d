"""The worker process: from settings to exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec
import structlog

from pullyard.agents.registry import AGENTS
from pullyard.files.locks import FileLock, wait_for
from pullyard.forges.sites import Sites
from pullyard.git.errors import GitMissing
from pullyard.git.program import Git
from pullyard.protocol.enrolment import Connected
from pullyard.protocol.errors import RequestError
from pullyard.sandboxes.docker.engine import Engine
from pullyard.sandboxes.protocol import ContainerSettings, Probe, SandboxUnavailable
from pullyard.sandboxes.registry import SAFE, usable
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.telemetry.loops import keep_running
from pullyard.telemetry.tracer import open_tracer
from pullyard.worker.accounts import own_accounts
from pullyard.worker.client import CoordinatorClient, CredentialRefused
from pullyard.worker.containers import clean_daily, keep_tidy, open_stock
from pullyard.worker.context import Tools
from pullyard.worker.disk import free_bytes
from pullyard.worker.dropped import keep_telling_dropped
from pullyard.worker.errands import Errands
from pullyard.worker.execution import Execution
from pullyard.worker.forges import check_signing, git_settings, open_access
from pullyard.worker.gateway.upstream import open_upstream
from pullyard.worker.gateway.windows import Windows
from pullyard.worker.heartbeat import Heart
from pullyard.worker.identity import Identity
from pullyard.worker.images.build import BuildLimits
from pullyard.worker.images.room import Room
from pullyard.worker.images.supply import ImageSupply, SupplyLimits
from pullyard.worker.kept import keep_saving
from pullyard.worker.lease import Lease
from pullyard.worker.loop import Loop
from pullyard.worker.masking import Masker, secrets_in
from pullyard.worker.mirrors import Mirrors
from pullyard.worker.models import endpoint_labels, model_settings
from pullyard.worker.network import bound_of, dialer_of, raise_file_limit
from pullyard.worker.offer import Offer
from pullyard.worker.policy.decide import Decider
from pullyard.worker.policy.load import find_policy, load_policy
from pullyard.worker.policy.nonces import SIGNATURES, Nonces
from pullyard.worker.programs.shelf import shelf_in
from pullyard.worker.reap import marked, reap
from pullyard.worker.receipt_key import load_key
from pullyard.worker.sandbox_choice import SandboxChoice, worker_mark
from pullyard.worker.sealed_keys import SealedKeys, load_sealing_key
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.workspaces import Workspaces

logger = structlog.get_logger(__name__)

LOCK_SECONDS = 20.0
ASIDE_SECONDS = 10.0
"""Between two tries of what the worker does beside its tasks, where that meets a bug."""


async def run_worker(settings: WorkerSettings) -> int:
    """Work until asked to stop; the exit code. Raises RequestError with a sentence for what is missing."""
    settings.data_directory.mkdir(parents=True, exist_ok=True, mode=0o711)
    lock = await lock_directory(settings)
    try:
        mark = worker_mark(settings.data_directory)
        await reap(settings.data_directory, mark)
        with marked(settings.data_directory, mark), own_accounts(settings) as settings:
            async with AsyncExitStack() as stack:
                return await work(settings, stack)
    finally:
        lock.release()


async def lock_directory(settings: WorkerSettings) -> FileLock:
    """One worker a data directory; a predecessor that is just ending is waited for."""
    try:
        async with asyncio.timeout(LOCK_SECONDS):
            return await wait_for(settings.data_directory / "lock")
    except TimeoutError:
        raise RequestError(
            f"Another worker uses {settings.data_directory}: stop it, or give this one another --data."
        ) from None


async def work(settings: WorkerSettings, stack: AsyncExitStack) -> int:
    client = CoordinatorClient(settings.coordinator_url)
    stack.push_async_callback(client.close)
    tools = await make_tools(settings, client, stack)
    shelf = shelf_in(settings.data_directory)
    lasting = [*settings.labels, *endpoint_labels(settings)]
    offer = Offer(lasting, lambda: [*tools.sandboxes.labels(), *shelf.labels()])
    identity = Identity(settings, client, measured_facts(tools), offer)
    signalled = signals(settings)
    connected = await unless_signalled(identity.connect(), signalled)
    if connected is None:
        return 0
    # Every task of this process is made from here on, and inherits it.
    structlog.contextvars.bind_contextvars(worker_id=connected.worker_id)
    logger.info("connected", coordinator=settings.coordinator_url)
    held: dict[str, Execution] = {}
    heart = Heart(client, tools.lease, held, slots=settings.slots, seconds=connected.heartbeat_seconds)
    loop = Loop(
        client,
        heart,
        held,
        settings=settings,
        begin=lambda journal, *, recovered: Execution(tools, journal, recovered=recovered),
        do_errand=Errands(tools).do,
        ready=lambda: offer.settled and tools.sandboxes.ready(),
    )
    heart.windows, heart.offer, heart.on_offered = tools.windows, offer, loop.ask_anew
    tools.windows.on_closed, tools.windows.on_opened = heart.beat_now, loop.ask_anew
    background = [
        asyncio.create_task(heart.run(settings.offline_seconds)),
        asyncio.create_task(keep_running("credential", identity.keep_fresh)),
        asyncio.create_task(drain_when_told(loop, signalled)),
    ]
    loop.recover()
    executions = settings.data_directory / "executions"
    stock = tools.sandboxes.stock
    aside = [
        asyncio.create_task(keep_running(name, work, again_seconds=ASIDE_SECONDS))
        for name, work in (
            ("saving of kept work", partial(keep_saving, tools, executions, loop.save_again)),
            ("telling of dropped work", partial(keep_telling_dropped, client, settings.data_directory)),
            ("tidying of containers", partial(keep_tidy, stock, loop.engine_is_away, loop.engine_is_back)),
            ("daily cleaning", partial(clean_daily, stock, executions)),
        )
    ]
    claiming = asyncio.create_task(claim_until_stopped(loop, identity, once=settings.once))
    try:
        ended, _ = await asyncio.wait({claiming, *background}, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            # A worker without a heart would go on taking tasks that it can't keep.
            task.result()
        await claiming
        await loop.finished()
    finally:
        for task in (claiming, *aside, *background):
            task.cancel()
        await asyncio.gather(claiming, *aside, *background, return_exceptions=True)
    return 0


async def claim_until_stopped(loop: Loop, identity: Identity, *, once: bool) -> None:
    """A credential that the coordinator no longer takes is replaced where a token allows it."""
    while True:
        try:
            return await loop.run(once=once)
        except CredentialRefused:
            await identity.connect()


async def make_tools(settings: WorkerSettings, client: CoordinatorClient, stack: AsyncExitStack) -> Tools:
    """Raises RequestError where git or every allowed sandbox is missing: the message names the remedy."""
    access = open_access(settings)
    stack.push_async_callback(access.close)
    git = Git(git_settings(settings, access))
    raise_file_limit()
    dialer = dialer_of(settings)
    # What can't be read is told at the start, and not by the first task.
    bound_of(settings)
    uid = settings.first_uid if os.geteuid() == 0 else None
    try:
        await git.check_version()
        await check_signing(settings.commit_signing_key)
        containers = containers_of(settings)
        probes = await usable((settings.sandbox,) if settings.sandbox else SAFE, uid, containers)
    except (GitMissing, SandboxUnavailable) as missing:
        raise RequestError(str(missing), code="worker-incomplete") from missing
    upstream = open_upstream(model_settings(settings), settings.model_prices)
    stack.push_async_callback(upstream.client.aclose)
    tracer = open_tracer("pullyard-worker", settings.otlp_endpoint)
    stack.push_async_callback(asyncio.to_thread, tracer.close)
    data = settings.data_directory
    mirrors = Mirrors(data / "mirrors", git, settings.mirror_quota_bytes, closed=data)
    # A sandbox is shown what it needs; without one, its account has to pass through. Others never look in.
    if data.stat().st_uid == os.geteuid():
        data.chmod(0o711 if probes[0].name == UnsafeDirectory.name else 0o700)
    mark = worker_mark(data)
    stock = open_stock(settings, probes, mark, stack)
    images = None if stock is None else open_images(settings, stock.engine, stack)
    checkouts = data / "checkouts"
    own_secrets = secrets_in(settings)
    sealed = SealedKeys(load_sealing_key(data, settings.sealing_key_file) if settings.sealed_keys else None)
    client.masker = Masker(
        lambda: {*own_secrets, *upstream.secrets(), *access.secrets(), *sealed.opened, client.credential}
    )
    return Tools(
        settings=settings,
        client=client,
        lease=Lease(),
        git=git,
        access=access,
        mirrors=mirrors,
        workspaces=Workspaces(
            checkouts,
            git,
            mirrors,
            overlay=probes[0].overlay,
            quota_bytes=settings.checkout_quota_bytes,
        ),
        sandboxes=SandboxChoice(probes, mark, containers, stock),
        upstream=upstream,
        receipt_key=load_key(data),
        images=images,
        dialer=dialer,
        tracer=tracer,
        sealed_keys=sealed,
        windows=Windows(settings.quota_wait_seconds),
        masker=client.masker,
        decider=open_decider(settings, probes, access.sites),
    )


def containers_of(settings: WorkerSettings) -> ContainerSettings:
    named = {"image": settings.docker_image} if settings.docker_image else {}
    return ContainerSettings(runtime=settings.docker_runtime, **named)


def open_decider(settings: WorkerSettings, probes: Sequence[Probe], sites: Sites) -> Decider:
    """Raises RequestError where the policy can't be used: a worker does not start without its rules."""
    path = find_policy(settings.policy_file, settings.data_directory)
    policy = load_policy(path, local_coordinator=settings.local_coordinator)
    nonces = Nonces(settings.data_directory / SIGNATURES)
    nonces.forget_expired()
    logger.info("policy", source=policy.title, rules=len(policy.rules))
    for sentence in policy.unreachable():
        logger.warning("policy", problem=sentence)
    return Decider(policy, nonces, probes, sites)


def open_images(settings: WorkerSettings, engine: Engine, stack: AsyncExitStack) -> ImageSupply:
    room = Room(settings.image_bytes, settings.minimum_free_bytes)
    limits = SupplyLimits(
        pull_seconds=settings.image_pull_seconds,
        builds=settings.image_builds,
        build=BuildLimits(
            network=settings.image_build_network, seconds=settings.image_build_seconds, room=room
        ),
    )
    images = ImageSupply(engine, limits)
    stack.push_async_callback(images.close)
    return images


def measured_facts(tools: Tools) -> dict[str, Any]:
    """What the coordinator shows of this machine; nothing in it names a repository."""
    best = tools.sandboxes.best
    return {
        "sandbox": best.name,
        "sandbox_start_ms": round((best.start_seconds or 0.0) * 1000, 1),
        "overlay": best.overlay,
        "escapes_held": dict(best.escapes),
        "sandboxes": {name: msgspec.to_builtins(probe) for name, probe in tools.sandboxes.probes.items()},
        "agents": sorted(AGENTS),
        "receipt_key": tools.receipt_key.public,
        "sealing_key": tools.sealed_keys.public,
        "free_bytes": free_bytes(tools.settings.data_directory),
    }


def signals(settings: WorkerSettings) -> asyncio.Queue[float]:
    """How many seconds to drain for, once for each time that the worker is asked to end."""
    signalled: asyncio.Queue[float] = asyncio.Queue()
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, signalled.put_nowait, settings.drain_seconds)
    if settings.exit_with_parent:
        running.add_reader(sys.stdin.fileno(), parent_gone, signalled)
    return signalled


async def unless_signalled(
    connecting: Coroutine[Any, Any, Connected], signalled: asyncio.Queue[float]
) -> Connected | None:
    """None where the worker is asked to end first: a coordinator may stay away for ever."""
    asking = asyncio.create_task(connecting)
    ending = asyncio.create_task(signalled.get())
    try:
        await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        # Where both came at once, the wish to end is still to be read.
        if asking.done() and ending.done():
            signalled.put_nowait(ending.result())
        for task in (asking, ending):
            task.cancel()
        await asyncio.gather(asking, ending, return_exceptions=True)


async def drain_when_told(loop: Loop, signalled: asyncio.Queue[float]) -> None:
    """Drain on a signal; at once on a second one, or when the process that started us is gone."""
    draining = asyncio.create_task(loop.drain(await signalled.get()))
    urgent = asyncio.create_task(signalled.get())
    await asyncio.wait({draining, urgent}, return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        draining.cancel()
        await loop.drain(0.0)


def parent_gone(signalled: asyncio.Queue[float]) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        signalled.put_nowait(0.0)
