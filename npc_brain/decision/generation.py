"""The bridge from a backend's thread to the event loop."""

import asyncio
from collections.abc import AsyncGenerator

from npc_brain.inference.chat import Backend, ChatEvent, ChatRequest, Finished, Generation


async def stream(backend: Backend, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
    """Submit `request` and yield its events, `Finished` last.

    Closing the iterator, or cancelling the task that reads it, cancels the generation.
    Raises InferenceError when the backend's queue is full.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[ChatEvent] = asyncio.Queue()

    def emit(event: ChatEvent) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(events.put_nowait, event)

    # A large grammar takes tens of milliseconds to prepare, so that happens on another thread too.
    submitting = loop.run_in_executor(None, backend.submit, request, emit)
    try:
        generation = await asyncio.shield(submitting)
    except asyncio.CancelledError:
        submitting.add_done_callback(_cancel)
        raise
    try:
        while True:
            event = await events.get()
            yield event
            if isinstance(event, Finished):
                return
    finally:
        generation.cancel()


def _cancel(submitted: asyncio.Future[Generation]) -> None:
    if not submitted.cancelled() and submitted.exception() is None:
        submitted.result().cancel()
