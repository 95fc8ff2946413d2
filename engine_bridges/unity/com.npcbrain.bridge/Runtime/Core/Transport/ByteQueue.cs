using System;

namespace NpcBrain
{
    /// <summary>Bytes that are added at one end and dropped at the other, in one buffer.</summary>
    internal sealed class ByteQueue
    {
        private byte[] _bytes = new byte[4096];

        /// <summary>The buffer; what counts is <see cref="Count"/> bytes from <see cref="Start"/>.</summary>
        public byte[] Bytes
        {
            get { return _bytes; }
        }

        /// <summary>Where the bytes begin.</summary>
        public int Start { get; private set; }

        /// <summary>Behind the last byte.</summary>
        public int End { get; private set; }

        /// <summary>How many bytes there are.</summary>
        public int Count
        {
            get { return End - Start; }
        }

        /// <summary>The buffer, with room for so many bytes behind <see cref="End"/>.</summary>
        public byte[] Room(int numBytes)
        {
            if (End + numBytes > _bytes.Length)
            {
                byte[] old = _bytes;
                if (Count + numBytes > _bytes.Length)
                {
                    _bytes = new byte[Math.Max(2 * _bytes.Length, Count + numBytes)];
                }
                Buffer.BlockCopy(old, Start, _bytes, 0, Count);
                End = Count;
                Start = 0;
            }
            return _bytes;
        }

        /// <summary>So many bytes have been written behind <see cref="End"/>.</summary>
        public void Grow(int numBytes)
        {
            End += numBytes;
        }

        /// <summary>Adds bytes at the end.</summary>
        public void Append(byte[] bytes, int length)
        {
            byte[] room = Room(length);
            Buffer.BlockCopy(bytes, 0, room, End, length);
            End += length;
        }

        /// <summary>Takes bytes away at the beginning.</summary>
        public void Drop(int numBytes)
        {
            Start += numBytes;
            if (Start == End)
            {
                Start = 0;
                End = 0;
            }
        }
    }
}
