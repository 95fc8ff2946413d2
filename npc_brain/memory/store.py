"""What NPCs remember: short texts, found again by words (SQLite FTS5) and by meaning (vectors).

One in-memory database for all NPCs of a session: a database each would cost some 100 kB an NPC.
Saved games hold the texts as JSON, never the database file.

Recall joins two rankings by reciprocal rank fusion: FTS5's BM25 for words, and the cosine of
sentence vectors when there is an encoder. Source: Cormack, Clarke and Büttcher, "Reciprocal Rank
Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009 (k = 60).
"""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from npc_brain.errors import ErrorCode, NpcBrainError
from npc_brain.plain_text import plain_text

MAX_MEMORIES = 200
"""Memories kept for an NPC; then the one least recalled goes, the oldest of those first."""
MAX_TEXT_CHARS = 500
MIN_COSINE = 0.3
"""Less alike than this is no memory of what was asked."""

_FUSION_K = 60
_MAX_CANDIDATES = 20
_MAX_QUERY_WORDS = 32
_MAX_ENCODED_AT_ONCE = 64
_SPACES = re.compile(r"[\s\x00-\x1f\x7f]+")
_WORD = re.compile(r"\w+")
_STOP_WORDS_TEXT = """
    a about am an and any are as at be been but by can could did do does for from had has have
    he her him his how i if in is it its know me my of on or our remember said say she so some
    tell that the their them then there they this to told us was we were what when where which
    who why will with would you your
"""
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())
"""English words without content. In other languages BM25 alone weighs frequent words down."""

_SCHEMA = """
CREATE TABLE memory (
    id INTEGER PRIMARY KEY, set_id INTEGER NOT NULL, subject_id TEXT NOT NULL, text TEXT NOT NULL,
    num_recalls INTEGER NOT NULL DEFAULT 0, vector BLOB,
    UNIQUE (set_id, text)
);
CREATE VIRTUAL TABLE words USING fts5(
    text, subject_id, content=memory, content_rowid=id,
    tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER added AFTER INSERT ON memory BEGIN
    INSERT INTO words (rowid, text, subject_id) VALUES (new.id, new.text, new.subject_id);
END;
CREATE TRIGGER removed AFTER DELETE ON memory BEGIN
    INSERT INTO words (words, rowid, text, subject_id)
    VALUES ('delete', old.id, old.text, old.subject_id);
END;
"""


class Encoder(Protocol):
    """A sentence encoder, such as `inference.sentence_encoder`."""

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """float32[text, feature] of length 1 each."""
        ...


class MemoryStore:
    """The memories of all NPCs of a session.

    May be called from any thread; calls wait for each other. With an encoder `recall` takes some
    5 ms and more after a load, so the socket loop should not call it.

    The memories of an NPC are a set with a number, so that those of a saved game can be put down
    while the NPC goes on with its own, and all be exchanged in one go.
    """

    def __init__(
        self,
        current_encoder: Callable[[], Encoder | None] = lambda: None,
        max_memories: int = MAX_MEMORIES,
    ) -> None:
        """Open an empty store.

        Args:
            current_encoder: Gives the encoder with which recall finds what is meant, not only what
                is worded alike; None when there is none yet. Asked at each recall.
            max_memories: How many an NPC keeps (>= 1).

        Raises:
            NpcBrainError: This Python's SQLite has no FTS5.
        """
        self._current_encoder = current_encoder
        self._encoder: Encoder | None = None
        self._max_memories = max_memories
        self._lock = threading.Lock()
        self._set_ids: dict[str, int] = {}
        self._last_set_id = 0
        self._db = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        try:
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise NpcBrainError(
                f"SQLite {sqlite3.sqlite_version} cannot search text: {error}",
                hint="use a Python whose SQLite has FTS5, as those of python.org do",
            ) from error

    def close(self) -> None:
        """Free the database; the store cannot be used afterwards."""
        with self._lock:
            self._db.close()

    def of(self, npc_id: str, is_secret: Callable[[str], object] = lambda _: False) -> "NpcMemory":
        """The memories of one NPC, as tools use them; never those that `is_secret`."""
        return NpcMemory(self, npc_id, is_secret)

    def remember(self, npc_id: str, text: str, subject_id: str | None = None) -> None:
        """Keep `text` (its first `MAX_TEXT_CHARS`); what is known already gains weight instead."""
        kept = _kept(text)
        if kept:
            with self._lock:
                self._add(self._set_of(npc_id), kept, subject_id or "")

    def recall(self, npc_id: str, query: str, limit: int = 3) -> list[str]:
        """The memories nearest to `query`, best first.

        A query without words of content ("What did I tell you?") gives the newest.
        """
        words = [word for word in _WORD.findall(query.lower()) if word not in _STOP_WORDS]
        with self._lock:
            set_id = self._set_of(npc_id)
            if not words:
                found = self._newest(set_id, limit)
            else:
                rankings = [self._by_words(set_id, words[:_MAX_QUERY_WORDS])]
                encoder = self._use_current_encoder()
                if encoder is not None:
                    rankings.append(self._by_meaning(encoder, set_id, query))
                found = _fused(rankings)[:limit]
            return [self._recalled(memory_id) for memory_id in found]

    def forget(self, npc_id: str) -> None:
        """Drop all memories of an NPC."""
        self.drop([self._set_ids.pop(npc_id, 0)])

    def to_json(self, npc_id: str) -> list[dict[str, Any]]:
        """The memories of an NPC as JSON, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT text, subject_id, num_recalls FROM memory WHERE set_id = ? ORDER BY id",
                (self._set_ids.get(npc_id, 0),),
            ).fetchall()
        return [
            {"text": text, "subject_id": subject_id, "num_recalls": num_recalls}
            for text, subject_id, num_recalls in rows
        ]

    def add_set(self, saved: Iterable[Mapping[str, Any]]) -> int:
        """Add the memories that `to_json` gave, for `replace_sets` or `drop`; returns their number.

        No NPC has them yet. Their vectors are made when they are first needed.

        Raises:
            NpcBrainError: `saved` is not such a value, or more than an NPC can have (`bad_blob`).
        """
        if not isinstance(saved, list | tuple):
            raise _damaged("they are no list")
        if len(saved) > self._max_memories:
            raise _damaged(f"there are {len(saved)}, an NPC has at most {self._max_memories}")
        rows = [_row(row) for row in saved]
        with self._lock:
            set_id = self._new_set()
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR IGNORE INTO memory (set_id, text, subject_id, num_recalls)"
                " VALUES (?, ?, ?, ?)",
                [(set_id, *row) for row in rows if row[0]],
            )
            self._db.execute("COMMIT")
        return set_id

    def replace_sets(self, set_ids: Mapping[str, int]) -> list[int]:
        """Give NPCs the memories of `add_set`; returns the numbers of those they had."""
        with self._lock:
            had = [self._set_ids[npc_id] for npc_id in set_ids if npc_id in self._set_ids]
            self._set_ids.update(set_ids)
        return had

    def drop(self, set_ids: Iterable[int]) -> None:
        """Free memories that no NPC has any more."""
        for set_id in set_ids:
            with self._lock:
                self._db.execute("DELETE FROM memory WHERE set_id = ?", (set_id,))

    def _set_of(self, npc_id: str) -> int:
        if npc_id not in self._set_ids:
            self._set_ids[npc_id] = self._new_set()
        return self._set_ids[npc_id]

    def _new_set(self) -> int:
        self._last_set_id += 1
        return self._last_set_id

    def _add(self, set_id: int, text: str, subject_id: str) -> None:
        self._db.execute(
            "INSERT INTO memory (set_id, subject_id, text) VALUES (?, ?, ?)"
            " ON CONFLICT (set_id, text) DO UPDATE SET num_recalls = num_recalls + 1",
            (set_id, subject_id, text),
        )
        self._db.execute(
            "DELETE FROM memory WHERE id IN (SELECT id FROM memory WHERE set_id = ?1"
            " ORDER BY num_recalls, id LIMIT max(0,"
            " (SELECT count(*) FROM memory WHERE set_id = ?1) - ?2))",
            (set_id, self._max_memories),
        )

    def _newest(self, set_id: int, limit: int) -> list[int]:
        rows = self._db.execute(
            "SELECT id FROM memory WHERE set_id = ? ORDER BY id DESC LIMIT ?", (set_id, limit)
        )
        return [row[0] for row in rows]

    def _by_words(self, set_id: int, words: Sequence[str]) -> list[int]:
        match = " OR ".join(f'"{word}"' for word in words)
        rows = self._db.execute(
            "SELECT memory.id FROM words JOIN memory ON memory.id = words.rowid"
            " WHERE words MATCH ? AND set_id = ? ORDER BY bm25(words), memory.id DESC LIMIT ?",
            (match, set_id, _MAX_CANDIDATES),
        )
        return [row[0] for row in rows]

    def _use_current_encoder(self) -> Encoder | None:
        """The encoder there is now; vectors of another one are dropped."""
        encoder = self._current_encoder()
        if encoder is not self._encoder:
            self._db.execute("UPDATE memory SET vector = NULL")
            self._encoder = encoder
        return encoder

    def _by_meaning(self, encoder: Encoder, set_id: int, query: str) -> list[int]:
        self._encode_missing(encoder, set_id)
        rows = self._db.execute(
            "SELECT id, vector FROM memory WHERE set_id = ? AND vector IS NOT NULL", (set_id,)
        ).fetchall()
        if not rows:
            return []
        vectors = np.stack([np.frombuffer(row[1], np.float32) for row in rows])
        cosines = vectors @ encoder.encode([query])[0]
        best = np.argsort(-cosines, kind="stable")[:_MAX_CANDIDATES]
        return [rows[index][0] for index in best if cosines[index] >= MIN_COSINE]

    def _encode_missing(self, encoder: Encoder, set_id: int) -> None:
        """Encode the newest memories that have no vector yet, a bounded number at once."""
        rows = self._db.execute(
            "SELECT id, text FROM memory WHERE set_id = ? AND vector IS NULL"
            " ORDER BY id DESC LIMIT ?",
            (set_id, _MAX_ENCODED_AT_ONCE),
        ).fetchall()
        if rows:
            vectors = encoder.encode([text for _, text in rows])
            self._db.executemany(
                "UPDATE memory SET vector = ? WHERE id = ?",
                [
                    (np.ascontiguousarray(vector, np.float32).tobytes(), row[0])
                    for row, vector in zip(rows, vectors, strict=True)
                ],
            )

    def _recalled(self, memory_id: int) -> str:
        row = self._db.execute(
            "UPDATE memory SET num_recalls = num_recalls + 1 WHERE id = ? RETURNING text",
            (memory_id,),
        ).fetchone()
        return str(row[0])


class NpcMemory:
    """One NPC's part of a `MemoryStore`; what `tools.spec.Recollection` asks for."""

    def __init__(self, store: MemoryStore, npc_id: str, is_secret: Callable[[str], object]) -> None:
        self._store = store
        self._npc_id = npc_id
        self._is_secret = is_secret

    def remember(self, text: str, subject_id: str | None = None) -> None:
        """Keep `text` for later."""
        self._store.remember(self._npc_id, text, subject_id)

    def recall(self, query: str, limit: int = 3) -> list[str]:
        """The memories nearest to `query`, best first."""
        memories = self._store.recall(self._npc_id, query, limit)
        return [memory for memory in memories if not self._is_secret(memory)]


def _row(saved: Any) -> tuple[str, str, int]:
    """One memory of a save: its text, whom it is about, how often it was recalled."""
    values = (
        [saved.get(key) for key in ("text", "subject_id", "num_recalls")]
        if (isinstance(saved, dict))
        else []
    )
    match values:
        case [str(text), str(subject_id), int(num_recalls)] if len(subject_id) <= MAX_TEXT_CHARS:
            return _kept(text), subject_id, max(0, min(num_recalls, 2**31))
    raise _damaged("one has no text, no subject or no count")


def _damaged(how: str) -> NpcBrainError:
    return NpcBrainError(f"saved memories are damaged: {how}", code=ErrorCode.BAD_BLOB)


def _kept(text: str) -> str:
    return _SPACES.sub(" ", plain_text(text)).strip()[:MAX_TEXT_CHARS]


def _fused(rankings: Sequence[Sequence[int]]) -> list[int]:
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, memory_id in enumerate(ranking):
            scores[memory_id] = scores.get(memory_id, 0.0) + 1.0 / (_FUSION_K + rank)
    return sorted(scores, key=lambda memory_id: -scores[memory_id])
