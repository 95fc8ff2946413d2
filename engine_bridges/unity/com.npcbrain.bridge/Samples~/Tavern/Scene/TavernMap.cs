using System.Collections.Generic;
using UnityEngine;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The village as sprites: one texel of terrain colour for each cell, a square for everyone. A
    /// cell is one unit wide; rows go down.
    /// </summary>
    internal sealed class TavernMap
    {
        private const float UnitsPerSecond = 9f;
        private const float ActorSize = 0.8f;
        private const float LockedShade = 0.45f;

        private readonly Village _village;
        private readonly Texture2D _ground;
        private readonly Sprite _square;
        private readonly Dictionary<string, Transform> _actors = new Dictionary<string, Transform>();

        /// <summary>Builds the sprites below a parent, and points the camera at them.</summary>
        public TavernMap(Village village, Transform parent, Camera camera)
        {
            _village = village;
            _square = MakeSprite(MakeTexture(1, 1), new Vector2(0.5f, 0.5f));
            _square.texture.SetPixel(0, 0, Color.white);
            _square.texture.Apply();
            _ground = MakeTexture(village.File.Width, village.File.Height);
            PaintGround();
            AddSprite(parent, "Ground", MakeSprite(_ground, new Vector2(0f, 1f)), Color.white, 0);
            foreach (PersonRow person in village.File.People())
            {
                AddActor(parent, person);
            }
            camera.orthographic = true;
            camera.orthographicSize = village.File.Height * 0.75f;
            camera.backgroundColor = Color.black;
            camera.clearFlags = CameraClearFlags.SolidColor;
            camera.transform.position = new Vector3(
                village.File.Width * 0.5f, -village.File.Height * 0.75f, -10f);
        }

        /// <summary>Where someone is drawn.</summary>
        public Vector3 PositionOf(string id)
        {
            return _actors[id].position;
        }

        /// <summary>The object of someone.</summary>
        public GameObject ActorOf(string id)
        {
            return _actors[id].gameObject;
        }

        /// <summary>Moves everyone towards the cell that they stand on.</summary>
        public void Follow(float seconds)
        {
            foreach (KeyValuePair<string, Transform> actor in _actors)
            {
                Vector3 goal = CentreOf(_village.Ground.PositionOf(actor.Key));
                actor.Value.position = Vector3.MoveTowards(
                    actor.Value.position, goal, UnitsPerSecond * seconds);
            }
        }

        /// <summary>Paints the ground; locked doors are dark.</summary>
        public void PaintGround()
        {
            for (int y = 0; y < _village.File.Height; y++)
            {
                for (int x = 0; x < _village.File.Width; x++)
                {
                    Terrain terrain = _village.File.TerrainAt(new Cell(x, y));
                    _ground.SetPixel(x, _village.File.Height - 1 - y, ColourOf(terrain.Colour));
                }
            }
            foreach (DoorRow door in _village.File.Doors)
            {
                if (!_village.Ground.IsOpen(door))
                {
                    Color colour = ColourOf(_village.File.TerrainAt(door.Cell).Colour) * LockedShade;
                    colour.a = 1f;
                    _ground.SetPixel(door.Cell.X, _village.File.Height - 1 - door.Cell.Y, colour);
                }
            }
            _ground.Apply();
        }

        private void AddActor(Transform parent, PersonRow person)
        {
            Transform actor = AddSprite(parent, person.Name, _square, ColourOf(person.Colour), 1);
            actor.position = CentreOf(person.Position);
            actor.localScale = new Vector3(ActorSize, ActorSize, 1f);
            _actors[person.Id] = actor;
        }

        private static Transform AddSprite(
            Transform parent, string name, Sprite sprite, Color colour, int order)
        {
            GameObject holder = new GameObject(name);
            holder.transform.SetParent(parent, false);
            SpriteRenderer renderer = holder.AddComponent<SpriteRenderer>();
            renderer.sprite = sprite;
            renderer.color = colour;
            renderer.sortingOrder = order;
            return holder.transform;
        }

        private static Vector3 CentreOf(Cell cell)
        {
            return new Vector3(cell.X + 0.5f, -cell.Y - 0.5f, 0f);
        }

        private static Texture2D MakeTexture(int width, int height)
        {
            Texture2D texture = new Texture2D(width, height, TextureFormat.RGBA32, false);
            texture.filterMode = FilterMode.Point;
            return texture;
        }

        private static Sprite MakeSprite(Texture2D texture, Vector2 pivot)
        {
            Rect all = new Rect(0f, 0f, texture.width, texture.height);
            return Sprite.Create(texture, all, pivot, 1f);
        }

        private static Color ColourOf(string hex)
        {
            Color colour;
            return ColorUtility.TryParseHtmlString(hex, out colour) ? colour : Color.grey;
        }
    }
}
