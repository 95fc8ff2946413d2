using System;
using System.Collections;
using System.Collections.Generic;
using System.Text;

namespace NpcBrain
{
    /// <summary>
    /// Writes msgpack as Protocol 1 wants it: shortest forms, float 64, text and bytes apart, no
    /// extensions. Keeps its buffer from message to message. Source: the msgpack specification.
    /// </summary>
    public sealed class MsgpackWriter
    {
        private const int MaxDepth = 64;

        private static readonly UTF8Encoding _utf8 = new UTF8Encoding(false, true);

        private byte[] _bytes = new byte[512];
        private int _size;

        /// <summary>
        /// The bytes of a value: null, bool, integers, float, double, string, byte[], maps with text
        /// keys, lists. Raises <see cref="MsgpackException"/> for anything else.
        /// </summary>
        public byte[] Write(object value)
        {
            _size = 0;
            Append(value, 1);
            byte[] written = new byte[_size];
            Buffer.BlockCopy(_bytes, 0, written, 0, _size);
            return written;
        }

        private void Append(object value, int depth)
        {
            string text = value as string;
            byte[] data = value as byte[];
            IDictionary<string, object> map = value as IDictionary<string, object>;
            if (value == null)
            {
                AppendByte(0xC0);
            }
            else if (text != null)
            {
                AppendText(text);
            }
            else if (value is bool)
            {
                AppendByte((bool)value ? 0xC3 : 0xC2);
            }
            else if (value is double || value is float)
            {
                AppendFloat(Convert.ToDouble(value));
            }
            else if (value is ulong)
            {
                AppendUnsigned((ulong)value);
            }
            else if (IsInteger(value))
            {
                AppendInteger(Convert.ToInt64(value));
            }
            else if (data != null)
            {
                AppendLength(data.Length, 0, 0, 0xC4, 0xC5, 0xC6);
                AppendBytes(data);
            }
            else if (map != null)
            {
                AppendMap(map, depth);
            }
            else if (value is IEnumerable)
            {
                AppendList((IEnumerable)value, depth);
            }
            else
            {
                throw new MsgpackException("a " + value.GetType().Name + " cannot be sent");
            }
        }

        private static bool IsInteger(object value)
        {
            return value is long || value is int || value is uint || value is short || value is ushort
                || value is byte || value is sbyte;
        }

        private void AppendMap(IDictionary<string, object> map, int depth)
        {
            RefuseDeeper(depth);
            AppendLength(map.Count, 0x80, 16, 0, 0xDE, 0xDF);
            foreach (KeyValuePair<string, object> entry in map)
            {
                AppendText(entry.Key);
                Append(entry.Value, depth + 1);
            }
        }

        private void AppendList(IEnumerable items, int depth)
        {
            RefuseDeeper(depth);
            ICollection list = items as ICollection;
            if (list == null)
            {
                throw new MsgpackException("a " + items.GetType().Name + " cannot be sent");
            }
            AppendLength(list.Count, 0x90, 16, 0, 0xDC, 0xDD);
            foreach (object item in list)
            {
                Append(item, depth + 1);
            }
        }

        private static void RefuseDeeper(int depth)
        {
            if (depth > MaxDepth)
            {
                throw new MsgpackException("nested deeper than " + MaxDepth);
            }
        }

        private void AppendText(string text)
        {
            int length;
            try
            {
                length = _utf8.GetByteCount(text);
            }
            catch (EncoderFallbackException)
            {
                throw new MsgpackException("text with half a surrogate pair");
            }
            AppendLength(length, 0xA0, 32, 0xD9, 0xDA, 0xDB);
            Reserve(length);
            _size += _utf8.GetBytes(text, 0, text.Length, _bytes, _size);
        }

        private void AppendFloat(double value)
        {
            if (double.IsNaN(value) || double.IsInfinity(value))
            {
                throw new MsgpackException("NaN or infinity cannot be sent");
            }
            AppendSized(0xCB, (ulong)BitConverter.DoubleToInt64Bits(value), 8);
        }

        private void AppendInteger(long value)
        {
            if (value >= 0)
            {
                AppendUnsigned((ulong)value);
            }
            else if (value >= -0x20)
            {
                AppendByte((int)(value & 0xFF));
            }
            else if (value >= sbyte.MinValue)
            {
                AppendSized(0xD0, (ulong)value, 1);
            }
            else if (value >= short.MinValue)
            {
                AppendSized(0xD1, (ulong)value, 2);
            }
            else if (value >= int.MinValue)
            {
                AppendSized(0xD2, (ulong)value, 4);
            }
            else
            {
                AppendSized(0xD3, (ulong)value, 8);
            }
        }

        private void AppendUnsigned(ulong value)
        {
            if (value < 0x80)
            {
                AppendByte((int)value);
            }
            else if (value <= byte.MaxValue)
            {
                AppendSized(0xCC, value, 1);
            }
            else if (value <= ushort.MaxValue)
            {
                AppendSized(0xCD, value, 2);
            }
            else if (value <= uint.MaxValue)
            {
                AppendSized(0xCE, value, 4);
            }
            else
            {
                AppendSized(0xCF, value, 8);
            }
        }

        /// <summary>A length below <paramref name="few"/> is in the first byte; 0 heads do not exist.</summary>
        private void AppendLength(int length, int head, int few, int head8, int head16, int head32)
        {
            if (length < few)
            {
                AppendByte(head | length);
            }
            else if (length <= byte.MaxValue && head8 != 0)
            {
                AppendSized(head8, (ulong)length, 1);
            }
            else if (length <= ushort.MaxValue)
            {
                AppendSized(head16, (ulong)length, 2);
            }
            else
            {
                AppendSized(head32, (ulong)length, 4);
            }
        }

        private void AppendByte(int value)
        {
            Reserve(1);
            _bytes[_size++] = (byte)value;
        }

        private void AppendSized(int head, ulong value, int width)
        {
            Reserve(width + 1);
            _bytes[_size++] = (byte)head;
            for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
            {
                _bytes[_size++] = (byte)(value >> shift);
            }
        }

        private void AppendBytes(byte[] data)
        {
            Reserve(data.Length);
            Buffer.BlockCopy(data, 0, _bytes, _size, data.Length);
            _size += data.Length;
        }

        private void Reserve(int more)
        {
            if (_size + more > _bytes.Length)
            {
                Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _size + more));
            }
        }
    }
}
