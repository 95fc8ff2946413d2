using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace NpcBrain.Definition
{
    /// <summary>
    /// What single values of YAML mean: plain and quoted ones. Source: YAML 1.2.2, sections 5.7, 7.3
    /// and 10.3.2.
    /// </summary>
    internal static class YamlScalar
    {
        private static readonly Regex _int = new Regex(@"^[-+]?[0-9]{1,18}\z");
        private static readonly Regex _octal = new Regex(@"^0o[0-7]{1,20}\z");
        private static readonly Regex _hex = new Regex(@"^0x[0-9a-fA-F]{1,15}\z");
        private static readonly Regex _float = new Regex(
            @"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\z");

        private static readonly Dictionary<char, string> _escapes = new Dictionary<char, string>
        {
            { '0', "\0" }, { 'a', "\a" }, { 'b', "\b" }, { 't', "\t" }, { 'n', "\n" }, { 'v', "\v" },
            { 'f', "\f" }, { 'r', "\r" }, { 'e', "\u001b" }, { ' ', " " }, { '"', "\"" }, { '/', "/" },
            { '\\', "\\" }, { 'N', "\u0085" }, { '_', "\u00a0" }, { 'L', "\u2028" }, { 'P', "\u2029" },
            { '\t', "\t" },
        };

        private static readonly Dictionary<char, int> _hexLengths = new Dictionary<char, int>
        {
            { 'x', 2 }, { 'u', 4 }, { 'U', 8 },
        };

        /// <summary>A plain scalar's value: null, a boolean, a number, or the text itself.</summary>
        public static object Resolved(string text)
        {
            switch (text)
            {
                case "": case "~": case "null": case "Null": case "NULL":
                    return null;
                case "true": case "True": case "TRUE":
                    return true;
                case "false": case "False": case "FALSE":
                    return false;
            }
            if ("+-.0123456789".IndexOf(text[0]) < 0)
            {
                return text;
            }
            if (_int.IsMatch(text))
            {
                return long.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            }
            if (_hex.IsMatch(text))
            {
                return long.Parse(
                    text.Substring(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            }
            if (_octal.IsMatch(text))
            {
                long octal = 0;
                foreach (char digit in text.Substring(2))
                {
                    octal = octal * 8 + (digit - '0');
                }
                return octal;
            }
            if (_float.IsMatch(text))
            {
                return double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
            }
            return text;
        }

        /// <summary>The index after the quote that closes the one the line begins with, or -1.</summary>
        public static int QuoteEnd(string line)
        {
            char quote = line[0];
            for (int index = 1; index < line.Length; index++)
            {
                if (quote == '"' && line[index] == '\\')
                {
                    index++;
                }
                else if (line[index] == quote)
                {
                    if (quote == '"' || index + 1 == line.Length || line[index + 1] != quote)
                    {
                        return index + 1;
                    }
                    index++;
                }
            }
            return -1;
        }

        /// <summary>The text between quotes.</summary>
        public static string Unquoted(string written)
        {
            string inner = written.Substring(1, written.Length - 2);
            return written[0] == '\'' ? inner.Replace("''", "'") : Unescaped(inner);
        }

        private static string Unescaped(string text)
        {
            StringBuilder plain = new StringBuilder();
            for (int index = 0; index < text.Length; index++)
            {
                if (text[index] != '\\')
                {
                    plain.Append(text[index]);
                    continue;
                }
                index++;
                char code = index < text.Length ? text[index] : '\0';
                int length;
                string meant;
                if (_escapes.TryGetValue(code, out meant) && index < text.Length)
                {
                    plain.Append(meant);
                }
                else if (_hexLengths.TryGetValue(code, out length))
                {
                    plain.Append(Character(text, index + 1, length));
                    index += length;
                }
                else
                {
                    throw new YamlException("\\" + code + " means nothing in quotes");
                }
            }
            return plain.ToString();
        }

        private static string Character(string text, int start, int length)
        {
            int number = 0;
            string digits = text.Substring(start, Math.Min(length, text.Length - start));
            bool isNumber = digits.Length == length && int.TryParse(
                digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
            if (!isNumber || number < 0 || number > 0x10FFFF || (number >= 0xD800 && number < 0xE000))
            {
                throw new YamlException("an escape names no character");
            }
            return char.ConvertFromUtf32(number);
        }
    }
}
