"""Blocking work beside the event loop that never outlives the locks of whoever asked for it."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

ParametersP = ParamSpec("ParametersP")
ResultT = TypeVar("ResultT")


async def in_thread(
    work: Callable[ParametersP, ResultT], *arguments: ParametersP.args, **named: ParametersP.kwargs
) -> ResultT:
    """Like ``asyncio.to_thread``, but a cancelled caller first waits for the thread, which can't be stopped.

    Otherwise the caller would give a checkout to the next user while the thread still removes it.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work, *arguments, **named))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise
