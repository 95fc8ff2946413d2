"""The quest log: which steps are done. A step that was done once stays done."""

from collections.abc import Sequence

from npc_brain.simulation.conditions import Situation, is_true
from npc_brain.simulation.world_file import Quest, QuestStep


class QuestLog:
    """The player's progress, as the number of steps done by quest id."""

    def __init__(self, quests: Sequence[Quest]) -> None:
        self._quests = tuple(quests)
        self.num_done: dict[str, int] = {quest.id: 0 for quest in quests}

    @property
    def quests(self) -> tuple[Quest, ...]:
        """All quests, in the order of the world file."""
        return self._quests

    def is_done(self, quest_id: str) -> bool:
        """Whether every step of a quest is done; raises KeyError for an unknown quest."""
        return any(
            quest.id == quest_id and self.num_done[quest_id] == len(quest.steps)
            for quest in self._quests
        )

    def current_step(self, quest: Quest) -> QuestStep | None:
        """The step to do next, None when the quest is done."""
        done = self.num_done[quest.id]
        return quest.steps[done] if done < len(quest.steps) else None

    def advance(self, now: Situation) -> list[QuestStep]:
        """Tick off the steps that are done by now, in order, and return them.

        A step whose end is already true takes the steps before it along: a player who finds
        the treasure need not go back and ask where it is.
        """
        finished: list[QuestStep] = []
        for quest in self._quests:
            first = self.num_done[quest.id]
            reached = [
                index
                for index in range(first, len(quest.steps))
                if is_true(quest.steps[index].when, now)
            ]
            if reached:
                self.num_done[quest.id] = reached[-1] + 1
                finished += quest.steps[first : reached[-1] + 1]
        return finished
