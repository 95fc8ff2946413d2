using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>
    /// Looks at the characters and markers of the scene, and notes what is new and what has moved; what
    /// the game itself told of them keeps its words.
    /// </summary>
    internal sealed class SceneWatch
    {
        private const float MinMoveSquared = 0.0001f;

        private readonly WorldChanges _changes;

        public SceneWatch(WorldChanges changes)
        {
            _changes = changes;
        }

        public void Look(IList<NpcCharacter> characters)
        {
            for (int index = 0; index < characters.Count; index++)
            {
                NpcCharacter character = characters[index];
                LookAt(
                    WorldChanges.Entities, character.NpcId, character.DisplayName, "npc",
                    character.transform.position, null);
            }
            for (int index = 0; index < NpcMarker.All.Count; index++)
            {
                NpcMarker marker = NpcMarker.All[index];
                if (string.IsNullOrEmpty(marker.Id))
                {
                    continue;
                }
                bool isPlace = marker.Kind == NpcMarkerKind.Place;
                LookAt(
                    isPlace ? WorldChanges.Places : WorldChanges.Entities, marker.Id, marker.DisplayName,
                    marker.Kind == NpcMarkerKind.Player ? "player" : "object",
                    marker.transform.position, marker);
            }
        }

        private void LookAt(
            string kind, string id, string displayName, string entityKind, Vector3 point,
            NpcMarker marker)
        {
            Dictionary<string, object> row = _changes.Row(kind, id);
            Vector3 told;
            if (row == null)
            {
                Add(kind, id, displayName, entityKind, point, marker);
            }
            else if (NpcWorld.TryReadPoint(row, out told)
                && (told - point).sqrMagnitude > MinMoveSquared)
            {
                _changes.Move(kind, id, NpcWorld.WirePosition(point));
            }
        }

        private void Add(
            string kind, string id, string displayName, string entityKind, Vector3 point,
            NpcMarker marker)
        {
            Dictionary<string, object> row = WorldChanges.NewRow(id, displayName, null);
            row["position"] = NpcWorld.WirePosition(point);
            if (kind == WorldChanges.Entities)
            {
                row["kind"] = entityKind;
            }
            if (marker != null)
            {
                row["description"] = marker.Description ?? "";
                row["tags"] = new List<object>(marker.Tags ?? new string[0]);
            }
            _changes.Put(kind, id, row);
        }
    }
}
