using System.Collections.Generic;
using System.IO;
using NpcBrain.Definition;
using UnityEngine;

namespace NpcBrain.Samples.Gatehouse
{
    /// <summary>
    /// The whole sample: put it on an empty object of an empty scene and press Play. Wenna keeps a gate.
    /// She sells you a lantern, and opens the gate once you carry one.
    /// </summary>
    [AddComponentMenu("NPC Brain/Samples/Gatehouse")]
    public sealed class Gatehouse : MonoBehaviour
    {
        /// <summary>The NPC file, below a Resources folder.</summary>
        public const string FilePath = "NpcBrainGatehouse/wenna";

        private const string Player = "player";
        private const string Coin = "coin";
        private const string Lantern = "lantern";
        private const int LanternPrice = 3;
        private const float OpenHeight = 3f;
        private const float OpeningSpeed = 2f;

        private readonly Store _store = new Store();
        private NpcWorld _world;
        private NpcActionRequest _opening;
        private string _typed = "";

        /// <summary>The character.</summary>
        public NpcCharacter Wenna { get; private set; }

        /// <summary>What she says.</summary>
        public SpeechBubble Bubble { get; private set; }

        /// <summary>The gate; it opens upwards.</summary>
        public Transform Gate { get; private set; }

        /// <summary>Who holds what.</summary>
        public Store Store
        {
            get { return _store; }
        }

        /// <summary>Whether the gate is wholly open.</summary>
        public bool IsOpen
        {
            get { return Gate.position.y >= OpenHeight; }
        }

        private static string SavePath
        {
            get { return Path.Combine(Application.persistentDataPath, "gatehouse.save"); }
        }

        private void Start()
        {
            Camera view = Camera.main;
            if (view == null)
            {
                view = new GameObject("Camera").AddComponent<Camera>();
                view.gameObject.tag = "MainCamera";
            }
            view.transform.position = new Vector3(0f, 2f, -8f);
            Gate = GameObject.CreatePrimitive(PrimitiveType.Cube).transform;
            AddWenna();
            TellWorld();
        }

        /// <summary>A character is a component with an NPC file and the game's side of its tools.</summary>
        private void AddWenna()
        {
            GameObject body = GameObject.CreatePrimitive(PrimitiveType.Capsule);
            body.transform.position = new Vector3(-2f, 0f, 0f);
            TextAsset file = Resources.Load<TextAsset>(FilePath);
            Wenna = body.AddComponent<NpcCharacter>();
            Wenna.DefinitionFile = file;
            // The sidecar knows this tool: the game only carries it out.
            Wenna.RegisterTool(NpcTool.Action("inventory_trade", "", Trade));
            // This one is the game's own. The examples are what players may say to ask for it.
            Wenna.RegisterTool(
                NpcTool.Action("open_gate", "Opens the gate for the traveller.", OpenGate)
                    .WithExamples("Open the gate, please.", "Let me through.", "I want to get out."));
            Bubble = body.AddComponent<SpeechBubble>();
            Bubble.Follow(Wenna);
            foreach (KeyValuePair<string, int> item in NpcFile.Parse(file.text, file.name).Inventory)
            {
                _store.Add(Wenna.NpcId, item.Key, item.Value);
            }
            _store.Add(Player, Coin, 5);
        }

        /// <summary>What she can know of the game. Characters of the scene are told by themselves.</summary>
        private void TellWorld()
        {
            _world = gameObject.AddComponent<NpcWorld>();
            _world.Currency = Coin;
            _world.SetItem(Coin, "coin");
            _world.SetItem(
                Lantern, "lantern", new Dictionary<string, object> { { "price", LanternPrice } });
            _world.SetEntity(Player, "traveller", "player", Vector3.zero);
            TellStore();
        }

        /// <summary>At once, so that whatever is told next is told of the world as it is now.</summary>
        private void TellStore()
        {
            foreach (string owner in _store.Owners)
            {
                _world.SetInventory(owner, _store.Of(owner));
            }
            _world.Patch();
        }

        /// <summary>She wants to trade. The game's rules decide, whatever she said.</summary>
        private void Trade(NpcActionRequest action)
        {
            string sold = action.TextOf("give_item");
            string paid = action.TextOf("take_item");
            int numSold = (int)Fields.Integer(action.Args, "give_count");
            int numPaid = (int)Fields.Integer(action.Args, "take_count");
            if (sold != Lantern || paid != Coin || numSold < 1 || numPaid < numSold * LanternPrice)
            {
                action.Refuse("bad_deal");
            }
            else if (_store.Count(Wenna.NpcId, sold) < numSold)
            {
                action.Refuse("not_held");
            }
            else if (_store.Count(Player, paid) < numPaid)
            {
                action.Refuse("speaker_lacks");
            }
            else
            {
                _store.Add(Wenna.NpcId, sold, -numSold);
                _store.Add(Player, sold, numSold);
                _store.Add(Player, paid, -numPaid);
                _store.Add(Wenna.NpcId, paid, numPaid);
                TellStore();
                action.Done();
            }
        }

        /// <summary>She wants to open the gate, which takes a while: <see cref="Update"/> ends it.</summary>
        private void OpenGate(NpcActionRequest action)
        {
            if (_store.Count(Player, Lantern) == 0)
            {
                action.Refuse("no_lantern");
            }
            else if (IsOpen || _opening != null)
            {
                action.Refuse("already_open");
            }
            else
            {
                _opening = action;
                action.CancelRequested += StopGate;
                action.Start();
            }
        }

        private void StopGate(NpcActionRequest action)
        {
            _opening = null;
            action.Cancel();
        }

        private void Update()
        {
            if (_opening != null)
            {
                Vector3 top = Vector3.up * OpenHeight;
                Gate.position = Vector3.MoveTowards(Gate.position, top, OpeningSpeed * Time.deltaTime);
                if (IsOpen)
                {
                    NpcActionRequest opened = _opening;
                    _opening = null;
                    opened.Done();
                }
            }
        }

        /// <summary>Saves the game, and with it what Wenna remembers.</summary>
        public void Save()
        {
            // Without a sidecar there is no mind to save: null.
            Wenna.SaveState(mind =>
            {
                using (BinaryWriter file = new BinaryWriter(File.Create(SavePath)))
                {
                    _store.Write(file);
                    file.Write(IsOpen);
                    file.Write(mind != null ? mind.Length : 0);
                    file.Write(mind ?? new byte[0]);
                }
            });
        }

        /// <summary>Loads what was saved; first the game, which is then told, and then her mind.</summary>
        public void Load()
        {
            if (!File.Exists(SavePath))
            {
                return;
            }
            Wenna.CancelTurn();
            if (_opening != null)
            {
                StopGate(_opening);
            }
            using (BinaryReader file = new BinaryReader(File.OpenRead(SavePath)))
            {
                _store.Read(file);
                Gate.position = file.ReadBoolean() ? Vector3.up * OpenHeight : Vector3.zero;
                TellStore();
                byte[] mind = file.ReadBytes(file.ReadInt32());
                if (mind.Length > 0)
                {
                    Wenna.LoadState(mind);
                }
            }
        }

        private void OnGUI()
        {
            GUILayout.BeginArea(new Rect(10f, 10f, 320f, 120f));
            _typed = GUILayout.TextField(_typed);
            if (GUILayout.Button("Say") && _typed.Length > 0)
            {
                Wenna.Hear(_typed);
                _typed = "";
            }
            if (GUILayout.Button("Save"))
            {
                Save();
            }
            if (GUILayout.Button("Load"))
            {
                Load();
            }
            GUILayout.Label(string.Format(
                "You have {0} coins and {1} lanterns.",
                _store.Count(Player, Coin), _store.Count(Player, Lantern)));
            GUILayout.EndArea();
        }
    }
}
