using System;
using System.Collections.Generic;
using System.Globalization;
using UnityEngine;
using UnityEngine.AI;

namespace NpcBrain
{
    /// <summary>Answers questions about the way by the scene's NavMesh.</summary>
    internal static class NavMeshAnswers
    {
        /// <summary>How far off the mesh a place may be to be reached.</summary>
        private const float NearMetres = 1.5f;

        private static readonly string[] _compass =
        {
            "east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east",
        };

        /// <summary>Answers a question; whether it is one about the way.</summary>
        public static bool TryAnswer(NpcToolCall call, NpcWorld world)
        {
            Vector3 here = call.Character.transform.position;
            switch (call.Tool)
            {
                case "find_path":
                case "distance":
                case "is_reachable":
                    AnswerWay(call, here, world);
                    return true;
                case "nearest":
                    AnswerNearest(call, here, world);
                    return true;
                case "plan_route":
                    AnswerRoute(call, here, world);
                    return true;
                default:
                    return false;
            }
        }

        private static void AnswerWay(NpcToolCall call, Vector3 here, NpcWorld world)
        {
            string target = call.TextOf("target");
            Vector3 there;
            if (!world.TryFindPoint(target, out there))
            {
                call.Refuse("unknown_target");
                return;
            }
            float length = PathLength(here, there);
            if (call.Tool == "is_reachable")
            {
                Dictionary<string, object> result = new Dictionary<string, object>();
                result["target"] = target;
                result["reachable"] = length >= 0;
                result["text"] = NpcWorld.NameOf(target)
                    + (length >= 0 ? " can be reached." : " cannot be reached.");
                call.Answer(result);
            }
            else if (length < 0)
            {
                call.Refuse("unreachable");
            }
            else
            {
                call.Answer(Measures(target, here, there, length));
            }
        }

        private static void AnswerNearest(NpcToolCall call, Vector3 here, NpcWorld world)
        {
            string tag = call.TextOf("tag");
            Vector3 there;
            float length;
            string best = Nearest(here, world.IdsTagged(tag), world, out there, out length);
            if (best == null)
            {
                call.Refuse("unreachable");
                return;
            }
            Dictionary<string, object> result = Measures(best, here, there, length);
            result["tag"] = tag;
            call.Answer(result);
        }

        /// <summary>The nearest stop first, each time.</summary>
        private static void AnswerRoute(NpcToolCall call, Vector3 here, NpcWorld world)
        {
            List<string> left = Fields.Texts(call.Args, "stops");
            List<object> order = new List<object>();
            float total = 0;
            while (left.Count > 0)
            {
                float length;
                string stop = Nearest(here, left, world, out here, out length);
                if (stop == null)
                {
                    call.Refuse("unreachable");
                    return;
                }
                left.Remove(stop);
                order.Add(stop);
                total += length;
            }
            Dictionary<string, object> result = new Dictionary<string, object>();
            result["stops"] = order;
            result["steps"] = (int)Math.Round(total);
            result["distance"] = Math.Round(total, 2);
            call.Answer(result);
        }

        private static string Nearest(
            Vector3 here, List<string> ids, NpcWorld world, out Vector3 there, out float length)
        {
            string best = null;
            there = here;
            length = float.PositiveInfinity;
            foreach (string id in ids)
            {
                Vector3 point;
                float its = world.TryFindPoint(id, out point) ? PathLength(here, point) : -1;
                if (its >= 0 && its < length)
                {
                    best = id;
                    length = its;
                    there = point;
                }
            }
            return best;
        }

        private static Dictionary<string, object> Measures(
            string target, Vector3 here, Vector3 there, float length)
        {
            int steps = (int)Math.Round(length);
            string direction = Direction(here, there);
            string name = NpcWorld.NameOf(target);
            Dictionary<string, object> result = new Dictionary<string, object>();
            result["target"] = target;
            result["name"] = name;
            result["steps"] = steps;
            result["distance"] = Math.Round(length, 2);
            result["direction"] = direction;
            result["text"] = string.Format(
                CultureInfo.InvariantCulture, "{0} is {1} metres {2}.", name, steps, direction);
            return result;
        }

        /// <summary>How long the way is in metres; below zero when there is none.</summary>
        private static float PathLength(Vector3 from, Vector3 to)
        {
            NavMeshHit start;
            NavMeshHit end;
            NavMeshPath path = new NavMeshPath();
            bool isFound = NavMesh.SamplePosition(from, out start, NearMetres, NavMesh.AllAreas)
                && NavMesh.SamplePosition(to, out end, NearMetres, NavMesh.AllAreas)
                && NavMesh.CalculatePath(start.position, end.position, NavMesh.AllAreas, path)
                && path.status == NavMeshPathStatus.PathComplete;
            if (!isFound)
            {
                return -1;
            }
            Vector3[] corners = path.corners;
            float length = 0;
            for (int index = 1; index < corners.Length; index++)
            {
                length += Vector3.Distance(corners[index - 1], corners[index]);
            }
            return length;
        }

        /// <summary>Unity's x points east, its z north.</summary>
        private static string Direction(Vector3 here, Vector3 there)
        {
            double east = there.x - here.x;
            double north = there.z - here.z;
            if (Math.Abs(east) < 0.01 && Math.Abs(north) < 0.01)
            {
                return "here";
            }
            int eighth = (int)Math.Round(Math.Atan2(north, east) / (Math.PI / 4));
            return _compass[(eighth + 8) % 8];
        }
    }
}
