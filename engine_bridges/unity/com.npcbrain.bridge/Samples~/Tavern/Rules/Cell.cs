using System;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>A cell of the map: column from the left, row from the top.</summary>
    public struct Cell : IEquatable<Cell>
    {
        /// <summary>The column, from 0 at the left.</summary>
        public readonly int X;

        /// <summary>The row, from 0 at the top.</summary>
        public readonly int Y;

        /// <summary>The cell in column <paramref name="x"/> of row <paramref name="y"/>.</summary>
        public Cell(int x, int y)
        {
            X = x;
            Y = y;
        }

        /// <summary>Distance in king's moves, walls ignored.</summary>
        public static int Apart(Cell first, Cell second)
        {
            return Math.Max(Math.Abs(first.X - second.X), Math.Abs(first.Y - second.Y));
        }

        /// <summary>Distance in a straight line, in cells.</summary>
        public static double Distance(Cell first, Cell second)
        {
            double dx = first.X - second.X;
            double dy = first.Y - second.Y;
            return Math.Sqrt(dx * dx + dy * dy);
        }

        /// <inheritdoc/>
        public bool Equals(Cell other)
        {
            return X == other.X && Y == other.Y;
        }

        /// <inheritdoc/>
        public override bool Equals(object other)
        {
            return other is Cell && Equals((Cell)other);
        }

        /// <inheritdoc/>
        public override int GetHashCode()
        {
            return Y * 65537 + X;
        }

        /// <inheritdoc/>
        public override string ToString()
        {
            return "[" + X + ", " + Y + "]";
        }
    }
}
