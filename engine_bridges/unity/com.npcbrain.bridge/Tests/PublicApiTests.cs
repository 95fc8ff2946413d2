using System.Collections.Generic;
using NpcBrain.Definition;
using NUnit.Framework;

namespace NpcBrain.Tests
{
    /// <summary>For Unity's test runner: what games may use, without a sidecar and without friends.</summary>
    public sealed class PublicApiTests
    {
        private const string Berta =
            "persona: {name: Berta}\n"
            + "lines:\n"
            + "  greeting: Welcome, {speaker}.\n"
            + "  fallback:\n"
            + "    inside: [Hm., Say that again?]\n"
            + "    default: Not now.\n"
            + "initial: inside\n"
            + "states: {inside: {initial: bar, states: {bar: {}}}, outside: {}}\n";

        [Test]
        public void AnNpcFileTellsWhoItIs()
        {
            NpcFile file = NpcFile.Parse(Berta, "berta");
            Assert.AreEqual("", file.Problem);
            Assert.AreEqual("berta", file.Id);
            Assert.AreEqual("Berta", file.Name);
            Assert.AreEqual("bar", file.Initial);
        }

        [Test]
        public void AVoiceGreetsOnceAndThenTakesTurns()
        {
            FallbackVoice voice = new FallbackVoice(NpcFile.Parse(Berta, "berta"));
            Dictionary<string, object> values = new Dictionary<string, object>();
            values["speaker"] = "traveller";
            Assert.AreEqual("Welcome, traveller.", voice.NextLine("bar", "player", values));
            Assert.AreEqual("Hm.", voice.NextLine("bar", "player", values));
            Assert.AreEqual("Say that again?", voice.NextLine("bar", "player", values));
            Assert.AreEqual("Not now.", voice.NextLine("outside", "player", values));
        }

        [Test]
        public void ABrokenFileSaysWhereAndLeavesSomethingToSay()
        {
            NpcFile file = NpcFile.Parse("persona: {name: Berta", "berta");
            Assert.AreEqual("line 1: `,` or `}` is missing", file.Problem);
            FallbackVoice voice = new FallbackVoice(file);
            Assert.AreEqual(FallbackVoice.Wordless, voice.NextLine("bar", "player", null));
        }

        [Test]
        public void ToolsKnowWhetherTheSidecarHasThem()
        {
            NpcTool walk = NpcTool.Action("go_to", "", NpcParameter.Text("target"), (action, target) => { });
            NpcTool bell = NpcTool.Action("ring_bell", "Rings the bell.", action => { });
            Assert.AreEqual(true, walk.IsBuiltIn);
            Assert.AreEqual(false, bell.IsBuiltIn);
        }

        [Test]
        public void MsgpackIsReadAsItWasWritten()
        {
            Dictionary<string, object> message = new Dictionary<string, object>();
            message["type"] = "ping";
            message["id"] = 300L;
            byte[] bytes = new MsgpackWriter().Write(message);
            Dictionary<string, object> read =
                (Dictionary<string, object>)new MsgpackReader().Read(bytes, 0, bytes.Length);
            Assert.AreEqual("ping", read["type"]);
            Assert.AreEqual(300L, read["id"]);
        }
    }
}
