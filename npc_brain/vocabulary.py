"""The fixed words that the wire, NPCs, models and games share: each set is spelled here alone."""

from typing import Literal

Cause = Literal["hear", "action", "state"]
"""Why an NPC speaks: it was spoken to, an action of its ended, or its author wrote so."""
Source = Literal["model", "scripted", "fallback"]
"""Who made a line: a language model, the NPC's author, or whoever was left when time was up."""
Outcome = Literal["said", "fallback", "cancelled", "silent", "failed"]
"""How a turn ended."""

ReportedStatus = Literal[
    "accepted", "started", "progress", "done", "failed", "refused", "cancelled"
]
"""What a game reports of an action."""
ActionStatus = Literal["requested", ReportedStatus, "timed_out"]
"""How an action stands. Those of `END_STATUSES` end it; exactly one of them comes."""
END_STATUSES: frozenset[str] = frozenset({"done", "failed", "refused", "cancelled", "timed_out"})

GameToolKind = Literal["query", "action"]
"""What a tool of a game does: it answers, or it acts."""

AudioEncoding = Literal["wav", "pcm_s16", "pcm_f32"]
"""A WAV file, or bare little-endian mono samples."""

Phase = Literal["starting", "loading", "warming", "ready", "degraded"]
"""How far the sidecar, or its model, is."""
