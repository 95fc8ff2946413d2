using System;
using System.IO;
using System.Text.RegularExpressions;
using UnityEngine;

namespace NpcBrain
{
    /// <summary>Turns the project's settings into what a session with the sidecar needs.</summary>
    internal static class SettingsReader
    {
        private const string TokenVariable = "NPC_BRAIN_TOKEN";

        private static readonly Regex _connectionField = new Regex(
            "\"(endpoint|token)\"\\s*:\\s*\"([^\"\\\\]*)\"");

        /// <summary>The options; where there can be no sidecar they say why.</summary>
        public static SidecarOptions Read(NpcBrainSettings settings)
        {
            SidecarOptions options = new SidecarOptions();
            options.Engine = "Unity " + Application.unityVersion;
            options.Model = settings.Model;
            if (!string.IsNullOrEmpty(settings.Endpoint))
            {
                ReadEndpoint(settings.Endpoint, options);
                return options;
            }
            if (!CanRunPrograms())
            {
                options.Problem = "No sidecar can run here: NPCs speak their authored lines.";
                return options;
            }
            string game = Path.GetDirectoryName(Application.dataPath) ?? "";
            string packed = Path.Combine(game, SidecarFinder.PackedFolder);
            bool isPacked = !Application.isEditor && Directory.Exists(packed);
            options.GameFolder = game;
            options.ProgramPath = isPacked ? packed : Below(game, settings.SidecarPath);
            string npcs = isPacked ? Path.Combine(packed, "npcs") : Below(game, settings.NpcsFolder);
            options.NpcsFolder = Directory.Exists(npcs) ? npcs : "";
            return options;
        }

        private static string Below(string folder, string configured)
        {
            return string.IsNullOrEmpty(configured) ? "" : Path.Combine(folder, configured);
        }

        private static void ReadEndpoint(string endpoint, SidecarOptions options)
        {
            options.Endpoint = endpoint;
            options.Token = Environment.GetEnvironmentVariable(TokenVariable) ?? "";
            if (!endpoint.EndsWith(".json", StringComparison.Ordinal))
            {
                return;
            }
            options.Endpoint = "";
            try
            {
                foreach (Match field in _connectionField.Matches(File.ReadAllText(endpoint)))
                {
                    if (field.Groups[1].Value == "endpoint")
                    {
                        options.Endpoint = field.Groups[2].Value;
                    }
                    else
                    {
                        options.Token = field.Groups[2].Value;
                    }
                }
                options.Problem = options.Endpoint.Length > 0 ? "" : endpoint + " names no endpoint.";
            }
            catch (IOException exception)
            {
                options.Problem = "There is no sidecar: " + exception.Message;
            }
        }

        private static bool CanRunPrograms()
        {
            switch (Application.platform)
            {
                case RuntimePlatform.WindowsEditor:
                case RuntimePlatform.WindowsPlayer:
                case RuntimePlatform.OSXEditor:
                case RuntimePlatform.OSXPlayer:
                case RuntimePlatform.LinuxEditor:
                case RuntimePlatform.LinuxPlayer:
                    return true;
                default:
                    return false;
            }
        }
    }
}
