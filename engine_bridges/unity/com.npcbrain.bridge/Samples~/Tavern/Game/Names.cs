using System;
using System.Collections.Generic;
using System.Text;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>What a player may call the things of one sort: ids by name and alias.</summary>
    public sealed class Names
    {
        private const double Similar = 0.6;
        private const int MaxWords = 4;

        private readonly Dictionary<string, string> _ids = new Dictionary<string, string>();

        /// <summary>Adds something under its id, name and aliases; the first of equal names wins.</summary>
        public void Add(string id, string name, string[] aliases)
        {
            List<string> names = new List<string> { id, name };
            names.AddRange(aliases);
            foreach (string each in names)
            {
                string plain = Plain(each);
                if (!_ids.ContainsKey(plain))
                {
                    _ids[plain] = id;
                }
            }
        }

        /// <summary>The id of what is called so; null: nothing is.</summary>
        public string IdOf(string name)
        {
            string id;
            return _ids.TryGetValue(Plain(name), out id) ? id : null;
        }

        /// <summary>The longest name that a text begins with, as id; null: it begins with none.</summary>
        /// <param name="text">What was typed.</param>
        /// <param name="rest">The text behind the name.</param>
        public string LeadingId(string text, out string rest)
        {
            string[] words = text.Split(' ');
            for (int length = Math.Min(words.Length, MaxWords); length > 0; length--)
            {
                string id = IdOf(string.Join(" ", words, 0, length));
                if (id != null)
                {
                    rest = string.Join(" ", words, length, words.Length - length);
                    return id;
                }
            }
            rest = text;
            return null;
        }

        /// <summary>" Did you mean: …?", or nothing when no name is like it.</summary>
        public string DidYouMean(string wanted)
        {
            return DidYouMean(Plain(wanted), _ids.Keys);
        }

        /// <summary>" Did you mean: …?" among some words, or nothing when none is like it.</summary>
        public static string DidYouMean(string wanted, IEnumerable<string> known)
        {
            string best = null;
            double likeness = Similar;
            foreach (string name in known)
            {
                double likenessHere = Words.Likeness(wanted, name);
                if (likenessHere >= likeness)
                {
                    best = name;
                    likeness = likenessHere;
                }
            }
            return best == null ? "" : " Did you mean: " + best + "?";
        }

        /// <summary>Lower case, without article, punctuation or doubled spaces.</summary>
        private static string Plain(string name)
        {
            StringBuilder plain = new StringBuilder();
            foreach (char sign in name.ToLowerInvariant())
            {
                bool isWord = char.IsLetterOrDigit(sign) || sign == '\'' || sign == '-';
                if (isWord || (plain.Length > 0 && plain[plain.Length - 1] != ' '))
                {
                    plain.Append(isWord ? sign : ' ');
                }
            }
            string words = plain.ToString().TrimEnd();
            foreach (string article in new[] { "the ", "a ", "an " })
            {
                if (words.StartsWith(article, StringComparison.Ordinal))
                {
                    return words.Substring(article.Length);
                }
            }
            return words;
        }
    }
}
