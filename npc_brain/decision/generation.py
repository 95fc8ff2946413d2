"""The bridge from a backend's thread to the event loop."""

import asyncio
from collections.abc import AsyncGenerator

from npc_brain.inference.chat import Backend, ChatEvent, ChatRequest, Finished


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

    generation = backend.submit(request, emit)
    try:
        while True:
            event = await events.get()
            yield event
            if isinstance(event, Finished):
                return
    finally:
        generation.cancel()
