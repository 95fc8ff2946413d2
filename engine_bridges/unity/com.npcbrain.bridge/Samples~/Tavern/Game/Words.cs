using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>Small English: counted names, lists, sentences.</summary>
    public static class Words
    {
        private static readonly string[] Articles = { "a ", "an ", "the " };
        private static readonly string[] Uncounted = { "ale", "bread", "cheese", "flour", "stew" };
        private static readonly string[] FToV = { "loaf", "leaf", "knife", "wolf", "half", "shelf" };

        /// <summary>How one says it: "a loaf of bread", "2 loaves of bread", "no apples".</summary>
        public static string Counted(int count, string name)
        {
            if (count == 1)
            {
                return HasArticle(name) ? name : ("aeiou".IndexOf(name[0]) >= 0 ? "an " : "a ") + name;
            }
            string bare = HasArticle(name) ? name.Substring(name.IndexOf(' ') + 1) : name;
            return (count == 0 ? "no" : count.ToString()) + " " + Plural(bare);
        }

        /// <summary>The parts as a list in a sentence: "a, b and c"; "nothing" when empty.</summary>
        public static string Listed(IList<string> parts)
        {
            if (parts.Count == 0)
            {
                return "nothing";
            }
            string listed = parts[0];
            for (int index = 1; index < parts.Count; index++)
            {
                listed += (index == parts.Count - 1 ? " and " : ", ") + parts[index];
            }
            return listed;
        }

        /// <summary>The text with a capital first letter and a full stop.</summary>
        public static string Sentence(string text)
        {
            string capital = text.Substring(0, 1).ToUpperInvariant() + text.Substring(1);
            return ".!?".IndexOf(capital[capital.Length - 1]) >= 0 ? capital : capital + ".";
        }

        /// <summary>How alike two texts are: 1 the same, 0 nothing in common.</summary>
        /// <remarks>One minus Levenshtein's distance by the longer length.</remarks>
        public static double Likeness(string one, string other)
        {
            int[] row = new int[other.Length + 1];
            for (int column = 0; column < row.Length; column++)
            {
                row[column] = column;
            }
            for (int line = 1; line <= one.Length; line++)
            {
                int diagonal = row[0];
                row[0] = line;
                for (int column = 1; column < row.Length; column++)
                {
                    int changed = diagonal + (one[line - 1] == other[column - 1] ? 0 : 1);
                    diagonal = row[column];
                    row[column] = Math.Min(changed, 1 + Math.Min(row[column], row[column - 1]));
                }
            }
            int longer = Math.Max(one.Length, other.Length);
            return longer == 0 ? 1.0 : 1.0 - row[other.Length] / (double)longer;
        }

        private static bool HasArticle(string name)
        {
            return Array.Exists(Articles, article => name.StartsWith(article, StringComparison.Ordinal));
        }

        /// <summary>The plural of a name: of its last word, or of the one before "of".</summary>
        private static string Plural(string name)
        {
            int of = name.IndexOf(" of ", StringComparison.Ordinal);
            string noun = of < 0 ? name : name.Substring(0, of);
            int space = noun.LastIndexOf(' ') + 1;
            return noun.Substring(0, space) + PluralWord(noun.Substring(space)) + name.Substring(noun.Length);
        }

        private static string PluralWord(string word)
        {
            if (word.Length < 2 || Array.IndexOf(Uncounted, word) >= 0)
            {
                return word;
            }
            char last = word[word.Length - 1];
            if (Array.IndexOf(FToV, word) >= 0)
            {
                return word.Substring(0, word.LastIndexOf('f')) + "ves";
            }
            if ("sxz".IndexOf(last) >= 0 || word.EndsWith("ch", StringComparison.Ordinal)
                || word.EndsWith("sh", StringComparison.Ordinal))
            {
                return word + "es";
            }
            bool isConsonantY = last == 'y' && "aeiou".IndexOf(word[word.Length - 2]) < 0;
            return isConsonantY ? word.Substring(0, word.Length - 1) + "ies" : word + "s";
        }
    }
}
