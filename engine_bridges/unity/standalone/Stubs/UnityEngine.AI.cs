using System;

namespace UnityEngine.AI
{
    public enum NavMeshPathStatus
    {
        PathComplete, PathPartial, PathInvalid,
    }

    public sealed class NavMeshPath
    {
        private Vector3[] _corners = new Vector3[0];

        public Vector3[] corners { get { return _corners; } internal set { _corners = value; } }

        public NavMeshPathStatus status { get; internal set; }
    }

    public struct NavMeshHit
    {
        public Vector3 position { get; set; }
    }

    /// <summary>A flat mesh that reaches everywhere but beyond <see cref="FakeEdge"/>.</summary>
    public static class NavMesh
    {
        public const int AllAreas = -1;

        internal static float FakeEdge = float.PositiveInfinity;

        public static bool SamplePosition(
            Vector3 sourcePosition, out NavMeshHit hit, float maxDistance, int areaMask)
        {
            hit = new NavMeshHit { position = sourcePosition };
            return Math.Abs(sourcePosition.x) <= FakeEdge;
        }

        public static bool CalculatePath(
            Vector3 sourcePosition, Vector3 targetPosition, int areaMask, NavMeshPath path)
        {
            Vector3 corner = new Vector3(targetPosition.x, sourcePosition.y, sourcePosition.z);
            path.corners = new[] { sourcePosition, corner, targetPosition };
            path.status = Math.Abs(targetPosition.x) <= FakeEdge
                ? NavMeshPathStatus.PathComplete : NavMeshPathStatus.PathInvalid;
            return path.status == NavMeshPathStatus.PathComplete;
        }
    }
}
