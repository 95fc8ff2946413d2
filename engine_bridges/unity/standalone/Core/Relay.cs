using System;
using System.Collections.Generic;
using System.Net;
using System.Net.Sockets;

namespace NpcBrain.Standalone
{
    /// <summary>Passes bytes on between a client and a sidecar, until it is cut.</summary>
    internal sealed class Relay : IDisposable
    {
        private readonly TcpListener _listener = new TcpListener(IPAddress.Loopback, 0);
        private readonly List<Socket> _ends = new List<Socket>();
        private readonly byte[] _bytes = new byte[65536];
        private readonly IPEndPoint _sidecar;

        public Relay(string endpoint)
        {
            Uri address = new Uri(endpoint);
            _sidecar = new IPEndPoint(IPAddress.Parse(address.Host), address.Port);
            _listener.Start();
        }

        public string Endpoint
        {
            get { return "tcp://" + _listener.LocalEndpoint; }
        }

        public void Step()
        {
            if (_listener.Pending())
            {
                Socket sidecar = new Socket(
                    AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                sidecar.Connect(_sidecar);
                _ends.Add(_listener.AcceptSocket());
                _ends.Add(sidecar);
            }
            for (int index = 0; index < _ends.Count; index++)
            {
                if (_ends[index].Available > 0)
                {
                    int numBytes = _ends[index].Receive(_bytes);
                    _ends[index ^ 1].Send(_bytes, numBytes, SocketFlags.None);
                }
            }
        }

        public void Cut()
        {
            foreach (Socket end in _ends)
            {
                end.Close();
            }
            _ends.Clear();
        }

        public void Dispose()
        {
            Cut();
            _listener.Stop();
        }
    }
}
