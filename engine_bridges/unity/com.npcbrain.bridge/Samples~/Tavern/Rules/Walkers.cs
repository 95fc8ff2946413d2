using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// Walks: characters go step by step along paths, one walk each, and every walk ends once.
    /// </summary>
    internal sealed class Walkers
    {
        /// <summary>Game time between two progress updates of a walk.</summary>
        private const double ProgressIntervalSeconds = 1.0;

        /// <summary>Short ticks add up to slightly less than the time they were cut from.</summary>
        private const double RoundingCells = 1e-6;

        private readonly Ground _ground;
        private readonly Dictionary<string, double> _speeds = new Dictionary<string, double>();
        private readonly List<Walk> _walks = new List<Walk>();

        public Walkers(Ground ground, IEnumerable<PersonRow> people)
        {
            _ground = ground;
            foreach (PersonRow person in people)
            {
                _speeds[person.Id] = person.SpeedCellsPerSecond;
            }
        }

        /// <summary>The walk under way of someone; null when there is none.</summary>
        public Walk WalkOf(string actorId)
        {
            return _walks.Find(walk => walk.ActorId == actorId);
        }

        /// <summary>Sets out for a known target; a walk under way is superseded.</summary>
        public void Begin(Walk walk, List<Outcome> outcomes)
        {
            End(walk.ActorId, "cancelled", "superseded", outcomes);
            if (!FindPath(walk))
            {
                outcomes.Add(NoWay(walk, "refused"));
                return;
            }
            _walks.Add(walk);
            outcomes.Add(new Outcome(walk.ActorId, walk.ActionId, "accepted"));
            outcomes.Add(walk.Tell("started", ""));
            TryArrive(walk, outcomes);
        }

        /// <summary>Ends the walk of someone, if there is one.</summary>
        public void End(string actorId, string status, string reason, List<Outcome> outcomes)
        {
            Walk walk = WalkOf(actorId);
            if (walk != null)
            {
                _walks.Remove(walk);
                outcomes.Add(walk.Tell(status, reason));
            }
        }

        /// <summary>Lets everyone walk for a while; adds what came of it and who opened what.</summary>
        public void Tick(
            double seconds, List<Outcome> outcomes, List<KeyValuePair<string, DoorRow>> opened)
        {
            foreach (Walk walk in _walks.ToArray())
            {
                if (walk.Follows)
                {
                    FindPath(walk);
                }
                walk.CreditCells += seconds * _speeds[walk.ActorId];
                walk.SecondsSinceProgress += seconds;
                Advance(walk, outcomes, opened);
            }
        }

        private void Advance(
            Walk walk, List<Outcome> outcomes, List<KeyValuePair<string, DoorRow>> opened)
        {
            while (walk.Path.Count > 0)
            {
                Cell cell = walk.Path[0];
                if (walk.Path.Count == 1 && _ground.IsTaken(cell, walk.ActorId))
                {
                    walk.Path.Clear(); // one stops beside whoever stands there
                    break;
                }
                if (!_ground.CanEnter(walk.ActorId, cell))
                {
                    if (!FindPath(walk))
                    {
                        _walks.Remove(walk);
                        outcomes.Add(NoWay(walk, "failed"));
                        return;
                    }
                    continue;
                }
                double length = Cell.Distance(_ground.PositionOf(walk.ActorId), cell);
                if (walk.CreditCells < length - RoundingCells)
                {
                    break;
                }
                Step(walk, length, opened);
            }
            if (walk.Path.Count == 0)
            {
                walk.CreditCells = 0.0;
            }
            if (!TryArrive(walk, outcomes))
            {
                TellProgress(walk, outcomes);
            }
        }

        private void Step(Walk walk, double length, List<KeyValuePair<string, DoorRow>> opened)
        {
            walk.CreditCells = Math.Max(0.0, walk.CreditCells - length);
            DoorRow door = _ground.Move(walk.ActorId, walk.Path[0]);
            walk.Path.RemoveAt(0);
            walk.NumSteps++;
            if (door != null)
            {
                opened.Add(new KeyValuePair<string, DoorRow>(walk.ActorId, door));
            }
            if (IsBesideTarget(walk))
            {
                walk.Path.Clear();
            }
        }

        /// <summary>Ends a walk that has arrived. A target that walked on meanwhile is gone after.</summary>
        private bool TryArrive(Walk walk, List<Outcome> outcomes)
        {
            if (walk.Path.Count > 0 || walk.Follows)
            {
                return false;
            }
            if (!_ground.IsStanding(walk.TargetId) || IsBesideTarget(walk))
            {
                End(walk.ActorId, "done", "", outcomes);
                return true;
            }
            if (FindPath(walk))
            {
                return false;
            }
            _walks.Remove(walk);
            outcomes.Add(NoWay(walk, "failed"));
            return true;
        }

        private static void TellProgress(Walk walk, List<Outcome> outcomes)
        {
            if (walk.SecondsSinceProgress < ProgressIntervalSeconds || walk.Path.Count == 0)
            {
                return;
            }
            walk.SecondsSinceProgress = 0.0;
            Outcome progress = walk.Tell("progress", "");
            progress.Result["steps_left"] = walk.Path.Count;
            outcomes.Add(progress);
        }

        /// <summary>Plans the way to where the target is now; false when there is none.</summary>
        private bool FindPath(Walk walk)
        {
            Cell goal;
            if (!_ground.TryFind(walk.TargetId, out goal))
            {
                return false;
            }
            if (IsBesideTarget(walk))
            {
                walk.Path.Clear();
                return true;
            }
            double cost;
            List<Cell> path = _ground.Path(walk.ActorId, goal, out cost);
            if (path != null)
            {
                walk.Path = path;
            }
            return path != null;
        }

        private bool IsBesideTarget(Walk walk)
        {
            return _ground.IsStanding(walk.TargetId) && Cell.Apart(
                _ground.PositionOf(walk.ActorId), _ground.PositionOf(walk.TargetId)) <= 1;
        }

        private Outcome NoWay(Walk walk, string status)
        {
            Cell goal;
            DoorRow door = _ground.TryFind(walk.TargetId, out goal)
                ? _ground.DoorInTheWay(walk.ActorId, goal)
                : null;
            string reason = door != null ? "locked" : status == "refused" ? "unreachable" : "blocked";
            Outcome noWay = walk.Tell(status, reason);
            if (door != null)
            {
                noWay.Result["door_name"] = door.Name;
            }
            return noWay;
        }
    }

    /// <summary>A walk under way.</summary>
    internal sealed class Walk
    {
        public readonly string ActorId;
        public readonly long ActionId;
        public readonly string TargetId;
        public readonly string TargetName;
        public readonly bool Follows;
        public List<Cell> Path = new List<Cell>();
        public int NumSteps;

        /// <summary>Distance that may be walked at once.</summary>
        public double CreditCells;

        public double SecondsSinceProgress;

        public Walk(string actorId, long actionId, string targetId, string targetName, bool follows)
        {
            ActorId = actorId;
            ActionId = actionId;
            TargetId = targetId;
            TargetName = targetName;
            Follows = follows;
        }

        public Outcome Tell(string status, string reason)
        {
            Dictionary<string, object> result = new Dictionary<string, object>();
            result["target"] = TargetId;
            result["target_name"] = TargetName;
            result["steps"] = NumSteps;
            return new Outcome(ActorId, ActionId, status, reason, result);
        }
    }
}
