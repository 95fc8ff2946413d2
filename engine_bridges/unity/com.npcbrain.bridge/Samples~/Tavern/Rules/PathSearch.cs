using System;
using System.Collections.Generic;

namespace NpcBrain.Samples.Tavern
{
    /// <summary>
    /// Cheapest paths over the cells of a map: A* with the octile distance. Entering a cell costs
    /// what its terrain costs, times √2 when entered diagonally; a diagonal step needs both cells
    /// that it passes between to be free.
    /// </summary>
    /// <remarks>Keeps its arrays from one search to the next; not for several threads.</remarks>
    internal sealed class PathSearch
    {
        private static readonly double Root2 = Math.Sqrt(2.0);
        private static readonly int[] StepX = { 0, 1, 0, -1, -1, 1, -1, 1 };
        private static readonly int[] StepY = { -1, 0, 1, 0, -1, -1, 1, 1 };

        private readonly int _width;
        private readonly int _height;
        private readonly double[] _costs;
        private readonly int[] _cameFrom;
        private readonly bool[] _isSettled;
        private readonly Heap _open = new Heap();
        private byte[] _cells;
        private double _lowest;

        /// <summary>A search over maps of this size.</summary>
        public PathSearch(int width, int height)
        {
            _width = width;
            _height = height;
            _costs = new double[width * height];
            _cameFrom = new int[width * height];
            _isSettled = new bool[width * height];
        }

        /// <summary>
        /// The cheapest way from <paramref name="start"/> to <paramref name="goal"/>, both included;
        /// null when there is none. An end that is blocked is met beside it.
        /// </summary>
        /// <param name="cells">Cost of each cell, row by row; 0 is blocked.</param>
        /// <param name="start">Where it begins.</param>
        /// <param name="goal">Where it leads.</param>
        /// <param name="cost">What it costs in all.</param>
        public List<Cell> ToReach(byte[] cells, Cell start, Cell goal, out double cost)
        {
            _cells = cells;
            _lowest = LowestCost();
            cost = double.PositiveInfinity;
            List<Cell> best = null;
            foreach (Cell here in StandingCells(start))
            {
                foreach (Cell there in StandingCells(goal))
                {
                    double costHere;
                    List<Cell> path = Search(here, there, out costHere);
                    if (path != null && costHere < cost)
                    {
                        best = path;
                        cost = costHere;
                    }
                }
            }
            return best;
        }

        private List<Cell> StandingCells(Cell end)
        {
            List<Cell> standing = new List<Cell>();
            if (IsFree(end.X, end.Y))
            {
                standing.Add(end);
                return standing;
            }
            for (int step = 0; step < 8; step++)
            {
                if (IsFree(end.X + StepX[step], end.Y + StepY[step]))
                {
                    standing.Add(new Cell(end.X + StepX[step], end.Y + StepY[step]));
                }
            }
            return standing;
        }

        private List<Cell> Search(Cell start, Cell goal, out double cost)
        {
            for (int index = 0; index < _costs.Length; index++)
            {
                _costs[index] = double.PositiveInfinity;
                _isSettled[index] = false;
            }
            _open.Clear();
            int first = start.Y * _width + start.X;
            int last = goal.Y * _width + goal.X;
            _costs[first] = 0.0;
            _cameFrom[first] = -1;
            _open.Push(Estimate(start.X, start.Y, goal), first);
            while (_open.Count > 0 && !_isSettled[last])
            {
                int cell = _open.Pop();
                if (!_isSettled[cell])
                {
                    _isSettled[cell] = true;
                    Expand(cell, goal);
                }
            }
            cost = _costs[last];
            return _isSettled[last] ? PathTo(last) : null;
        }

        private void Expand(int cell, Cell goal)
        {
            int x = cell % _width;
            int y = cell / _width;
            for (int step = 0; step < 8; step++)
            {
                int nextX = x + StepX[step];
                int nextY = y + StepY[step];
                bool isDiagonal = step >= 4;
                if (!IsFree(nextX, nextY) || (isDiagonal && !(IsFree(nextX, y) && IsFree(x, nextY))))
                {
                    continue;
                }
                int next = nextY * _width + nextX;
                double cost = _costs[cell] + _cells[next] * (isDiagonal ? Root2 : 1.0);
                if (cost < _costs[next])
                {
                    _costs[next] = cost;
                    _cameFrom[next] = cell;
                    _isSettled[next] = false;
                    _open.Push(cost + Estimate(nextX, nextY, goal), next);
                }
            }
        }

        private double Estimate(int x, int y, Cell goal)
        {
            int dx = Math.Abs(x - goal.X);
            int dy = Math.Abs(y - goal.Y);
            return _lowest * (Math.Max(dx, dy) + (Root2 - 1.0) * Math.Min(dx, dy));
        }

        private double LowestCost()
        {
            byte lowest = byte.MaxValue;
            foreach (byte cell in _cells)
            {
                lowest = cell != 0 && cell < lowest ? cell : lowest;
            }
            return lowest;
        }

        private List<Cell> PathTo(int cell)
        {
            List<Cell> path = new List<Cell>();
            for (; cell >= 0; cell = _cameFrom[cell])
            {
                path.Add(new Cell(cell % _width, cell / _width));
            }
            path.Reverse();
            return path;
        }

        private bool IsFree(int x, int y)
        {
            return x >= 0 && x < _width && y >= 0 && y < _height && _cells[y * _width + x] != 0;
        }

        /// <summary>A binary heap of cells by cost.</summary>
        private sealed class Heap
        {
            private readonly List<KeyValuePair<double, int>> _entries =
                new List<KeyValuePair<double, int>>();

            public int Count
            {
                get { return _entries.Count; }
            }

            public void Clear()
            {
                _entries.Clear();
            }

            public void Push(double cost, int cell)
            {
                _entries.Add(new KeyValuePair<double, int>(cost, cell));
                int child = _entries.Count - 1;
                while (child > 0 && _entries[child].Key < _entries[(child - 1) / 2].Key)
                {
                    Swap(child, (child - 1) / 2);
                    child = (child - 1) / 2;
                }
            }

            public int Pop()
            {
                int cell = _entries[0].Value;
                int last = _entries.Count - 1;
                _entries[0] = _entries[last];
                _entries.RemoveAt(last);
                int parent = 0;
                for (int child = 1; child < last; child = 2 * parent + 1)
                {
                    if (child + 1 < last && _entries[child + 1].Key < _entries[child].Key)
                    {
                        child++;
                    }
                    if (_entries[parent].Key <= _entries[child].Key)
                    {
                        break;
                    }
                    Swap(parent, child);
                    parent = child;
                }
                return cell;
            }

            private void Swap(int first, int second)
            {
                KeyValuePair<double, int> entry = _entries[first];
                _entries[first] = _entries[second];
                _entries[second] = entry;
            }
        }
    }
}
