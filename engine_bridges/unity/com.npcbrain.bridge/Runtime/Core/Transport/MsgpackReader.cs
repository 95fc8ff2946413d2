using System;
using System.Collections.Generic;
using System.Text;

namespace NpcBrain
{
    /// <summary>
    /// Reads msgpack: integers as long (ulong from 2^63), floats as double, text, byte[], maps as
    /// Dictionary, arrays as List. Damaged bytes raise <see cref="MsgpackException"/> and nothing
    /// else. Source: the msgpack specification.
    /// </summary>
    public sealed class MsgpackReader
    {
        private const int MaxDepth = 64;

        private static readonly UTF8Encoding _utf8 = new UTF8Encoding(false, true);

        private byte[] _bytes;
        private int _end;
        private int _at;

        /// <summary>The value that all of these bytes are.</summary>
        public object Read(byte[] bytes, int start, int length)
        {
            if (bytes == null || start < 0 || length < 0 || start > bytes.Length - length)
            {
                throw new ArgumentException("no such part of the bytes", "bytes");
            }
            _bytes = bytes;
            _at = start;
            _end = start + length;
            object value = ReadValue(1);
            if (_at != _end)
            {
                throw new MsgpackException((_end - _at) + " bytes after the value");
            }
            return value;
        }

        private object ReadValue(int depth)
        {
            int head = (int)ReadUnsigned(1);
            if (head < 0x80)
            {
                return (long)head;
            }
            if (head < 0x90)
            {
                return ReadMap((ulong)head & 0x0F, depth);
            }
            if (head < 0xA0)
            {
                return ReadList((ulong)head & 0x0F, depth);
            }
            if (head < 0xC0)
            {
                return ReadText((ulong)head & 0x1F);
            }
            return head >= 0xE0 ? head - 0x100L : ReadLong(head, depth);
        }

        private object ReadLong(int head, int depth)
        {
            switch (head)
            {
                case 0xC0:
                    return null;
                case 0xC2:
                    return false;
                case 0xC3:
                    return true;
                case 0xC4: case 0xC5: case 0xC6:
                    return ReadBytes(ReadUnsigned(1 << (head - 0xC4)));
                case 0xCA: case 0xCB:
                    return ReadFloat(head == 0xCA);
                case 0xCC: case 0xCD: case 0xCE:
                    return (long)ReadUnsigned(1 << (head - 0xCC));
                case 0xCF:
                    ulong large = ReadUnsigned(8);
                    return large <= long.MaxValue ? (object)(long)large : large;
                case 0xD0:
                    return (long)(sbyte)ReadUnsigned(1);
                case 0xD1:
                    return (long)(short)ReadUnsigned(2);
                case 0xD2:
                    return (long)(int)ReadUnsigned(4);
                case 0xD3:
                    return (long)ReadUnsigned(8);
                case 0xD9: case 0xDA: case 0xDB:
                    return ReadText(ReadUnsigned(1 << (head - 0xD9)));
                case 0xDC: case 0xDD:
                    return ReadList(ReadUnsigned(2 << (head - 0xDC)), depth);
                case 0xDE: case 0xDF:
                    return ReadMap(ReadUnsigned(2 << (head - 0xDE)), depth);
                default:
                    throw new MsgpackException("the byte " + head + " begins nothing");
            }
        }

        private Dictionary<string, object> ReadMap(ulong length, int depth)
        {
            RefuseDeeper(depth);
            Need(2 * length);
            Dictionary<string, object> map = new Dictionary<string, object>(FirstRoom(length));
            for (ulong index = 0; index < length; index++)
            {
                string key = ReadValue(depth + 1) as string;
                if (key == null)
                {
                    throw new MsgpackException("a key of a map is not text");
                }
                if (map.ContainsKey(key))
                {
                    throw new MsgpackException("the key " + key + " comes twice");
                }
                map[key] = ReadValue(depth + 1);
            }
            return map;
        }

        private List<object> ReadList(ulong length, int depth)
        {
            RefuseDeeper(depth);
            Need(length);
            List<object> items = new List<object>(FirstRoom(length));
            for (ulong index = 0; index < length; index++)
            {
                items.Add(ReadValue(depth + 1));
            }
            return items;
        }

        /// <summary>Room is made as values come, since lengths within lengths can lie.</summary>
        private static int FirstRoom(ulong length)
        {
            return (int)Math.Min(length, 64);
        }

        private static void RefuseDeeper(int depth)
        {
            if (depth > MaxDepth)
            {
                throw new MsgpackException("nested deeper than " + MaxDepth);
            }
        }

        private string ReadText(ulong length)
        {
            Need(length);
            try
            {
                string text = _utf8.GetString(_bytes, _at, (int)length);
                _at += (int)length;
                return text;
            }
            catch (ArgumentException)
            {
                throw new MsgpackException("text that is not UTF-8");
            }
        }

        private byte[] ReadBytes(ulong length)
        {
            Need(length);
            byte[] data = new byte[length];
            Buffer.BlockCopy(_bytes, _at, data, 0, data.Length);
            _at += data.Length;
            return data;
        }

        private double ReadFloat(bool isSingle)
        {
            ulong bits = ReadUnsigned(isSingle ? 4 : 8);
            double value = isSingle
                ? BitConverter.ToSingle(BitConverter.GetBytes((uint)bits), 0)
                : BitConverter.Int64BitsToDouble((long)bits);
            if (double.IsNaN(value) || double.IsInfinity(value))
            {
                throw new MsgpackException("NaN or infinity");
            }
            return value;
        }

        private ulong ReadUnsigned(int width)
        {
            Need((ulong)width);
            ulong value = 0;
            for (int index = 0; index < width; index++)
            {
                value = (value << 8) | _bytes[_at++];
            }
            return value;
        }

        /// <summary>Each value takes a byte at least, so lengths cannot lie much.</summary>
        private void Need(ulong numBytes)
        {
            if (numBytes > (ulong)(_end - _at))
            {
                throw new MsgpackException("it ends too early");
            }
        }
    }
}
