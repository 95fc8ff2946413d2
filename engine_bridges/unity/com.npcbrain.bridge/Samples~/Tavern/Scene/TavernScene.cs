using System.Collections.Generic;
using NpcBrain.Definition;
using UnityEngine;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// The whole sample: put it on an empty object of an empty scene and press Play. Builds the village
    /// from the world file and the NPC files, and a character component for everyone in it.
    /// </summary>
    [AddComponentMenu("NPC Brain/Samples/Tavern Scene")]
    public sealed class TavernScene : MonoBehaviour
    {
        /// <summary>Where the data are, below a Resources folder.</summary>
        public const string DataFolder = "NpcBrainTavern/";

        private ITavernView _view;
        private TavernScreen _screen;
        private TavernMap _map;
        private Camera _camera;
        private CharacterLink _link;

        /// <summary>The village; null before <c>Start</c>.</summary>
        public Village Village { get; private set; }

        /// <summary>The game; null before <c>Start</c>.</summary>
        public TavernGame Game { get; private set; }

        /// <summary>The village and the sidecar; null before <c>Start</c>.</summary>
        public TavernBridge Bridge { get; private set; }

        /// <summary>Shows the game elsewhere than on the screen; set it before <c>Start</c>.</summary>
        public void ShowOn(ITavernView view)
        {
            _view = view;
        }

        private void Start()
        {
            WorldFile file = WorldFile.Read(Resources.Load<TextAsset>(DataFolder + "world").text);
            Dictionary<string, TextAsset> definitions = new Dictionary<string, TextAsset>();
            Dictionary<string, IDictionary<string, int>> inventories =
                new Dictionary<string, IDictionary<string, int>>();
            foreach (PersonRow npc in file.Npcs)
            {
                TextAsset asset = Resources.Load<TextAsset>(DataFolder + "npcs/" + npc.Definition);
                definitions[npc.Id] = asset;
                inventories[npc.Id] = NpcFile.Parse(asset.text, npc.Definition).Inventory;
            }
            Village = new Village(file, inventories);
            BuildScene();
            Join(definitions);
            Game.Begin();
        }

        private void BuildScene()
        {
            _screen = new TavernScreen(Village);
            _camera = Camera.main;
            if (_camera == null)
            {
                _camera = new GameObject("Camera").AddComponent<Camera>();
            }
            _map = new TavernMap(Village, transform, _camera);
        }

        private void Join(Dictionary<string, TextAsset> definitions)
        {
            NpcWorld world = gameObject.AddComponent<NpcWorld>();
            _link = new CharacterLink(
                Village, NpcBrainClient.Instance, new TavernWorld(Village, world));
            _link.DoorOpened += _map.PaintGround;
            Bridge = new TavernBridge(Village, _view ?? _screen, _link);
            Game = new TavernGame(Village, Bridge, _view ?? _screen);
            foreach (PersonRow npc in Village.File.Npcs)
            {
                GameObject actor = _map.ActorOf(npc.Id);
                actor.SetActive(false);
                NpcCharacter character = actor.AddComponent<NpcCharacter>();
                character.NpcId = npc.Id;
                character.DefinitionFile = definitions[npc.Id];
                _link.Add(character);
                actor.SetActive(true);
            }
        }

        private void Update()
        {
            double seconds = Time.unscaledDeltaTime;
            if (Bridge == null || seconds <= 0)
            {
                return;
            }
            Bridge.Tick(seconds);
            Game.Tick(seconds);
            _map.Follow((float)seconds);
        }

        private void OnGUI()
        {
            if (Bridge == null)
            {
                return;
            }
            string line = _screen.Draw(_camera, _map);
            if (line != null)
            {
                Game.Run(line);
            }
        }

        private void OnDestroy()
        {
            if (_link != null)
            {
                _link.Leave();
            }
        }
    }
}
