using System.IO;

namespace NpcBrain.Editor
{
    /// <summary>Copies a folder, but for files that are there already and as new and long.</summary>
    internal static class FolderCopy
    {
        public static void Copy(string source, string target)
        {
            Directory.CreateDirectory(target);
            foreach (string file in Directory.GetFiles(source))
            {
                FileInfo from = new FileInfo(file);
                FileInfo to = new FileInfo(Path.Combine(target, from.Name));
                bool isCurrent = to.Exists && to.Length == from.Length
                    && to.LastWriteTimeUtc >= from.LastWriteTimeUtc;
                if (!isCurrent)
                {
                    File.Copy(file, to.FullName, true);
                }
            }
            foreach (string folder in Directory.GetDirectories(source))
            {
                Copy(folder, Path.Combine(target, Path.GetFileName(folder)));
            }
        }
    }
}
