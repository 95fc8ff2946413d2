using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>The quest log: which steps are done. A step that was done once stays done.</summary>
    public sealed class QuestLog
    {
        private readonly Dictionary<string, int> _numDone = new Dictionary<string, int>();

        internal QuestLog(List<QuestRow> quests)
        {
            Quests = quests;
            quests.ForEach(quest => _numDone[quest.Id] = 0);
        }

        /// <summary>All quests, in the order of the world file.</summary>
        public IList<QuestRow> Quests { get; private set; }

        /// <summary>How many steps of a quest are done.</summary>
        public int NumDone(QuestRow quest)
        {
            return _numDone[quest.Id];
        }

        /// <summary>The step to do next, null when the quest is done.</summary>
        public QuestStepRow CurrentStep(QuestRow quest)
        {
            int done = _numDone[quest.Id];
            return done < quest.Steps.Count ? quest.Steps[done] : null;
        }

        /// <summary>Whether every step of every quest is done.</summary>
        public bool IsAllDone
        {
            get
            {
                foreach (QuestRow quest in Quests)
                {
                    if (CurrentStep(quest) != null)
                    {
                        return false;
                    }
                }
                return true;
            }
        }

        /// <summary>
        /// Ticks off the steps that are done by now, in order, and returns them. A step whose end is
        /// already true takes the steps before it along.
        /// </summary>
        internal List<QuestStepRow> Advance(ISituation now)
        {
            List<QuestStepRow> finished = new List<QuestStepRow>();
            foreach (QuestRow quest in Quests)
            {
                int first = _numDone[quest.Id];
                int reached = quest.Steps.FindLastIndex(step => step.When.IsTrue(now)) + 1;
                if (reached > first)
                {
                    _numDone[quest.Id] = reached;
                    finished.AddRange(quest.Steps.GetRange(first, reached - first));
                }
            }
            return finished;
        }
    }
}
