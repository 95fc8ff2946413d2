using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace NpcBrain
{
    /// <summary>
    /// The sidecar's process: started with a token, read, watched, started again, and ended. Called by
    /// the I/O thread; its output comes on threads of the runtime.
    /// </summary>
    internal sealed class SidecarProcess
    {
        private const int FirstBackOffMs = 250;
        private const int MaxBackOffMs = 10000;
        private const int TokenBytes = 32;
        private const string TokenVariable = "NPC_BRAIN_TOKEN";

        private readonly object _lock = new object();
        private readonly string _program;
        private readonly string _arguments;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private List<string> _log = new List<string>();
        private Process _process;
        private string _endpoint = "";
        private string _lastLine = "";
        private long _nextStartMs;
        private int _backOffMs = FirstBackOffMs;

        public SidecarProcess(string program, IEnumerable<string> arguments)
        {
            _program = program;
            _arguments = Joined(arguments);
            Token = NewToken();
        }

        /// <summary>What clients must show.</summary>
        public string Token { get; private set; }

        /// <summary>Where it listens; empty while it does not.</summary>
        public string Endpoint
        {
            get
            {
                lock (_lock)
                {
                    return _endpoint;
                }
            }
        }

        /// <summary>The process id; 0 while there is none.</summary>
        public int Pid { get; private set; }

        /// <summary>Does what is due; the reason when it could not be started or has ended, else null.</summary>
        public string Step()
        {
            long nowMs = _clock.ElapsedMilliseconds;
            if (_process == null)
            {
                return nowMs >= _nextStartMs ? Start(nowMs) : null;
            }
            if (!_process.HasExited)
            {
                return null;
            }
            string problem = "the sidecar ended (exit code " + _process.ExitCode + ") " + _lastLine;
            Forget();
            Delay(nowMs);
            return problem;
        }

        /// <summary>The lines that it has written since the last call; null when there are none.</summary>
        public List<string> TakeLog()
        {
            lock (_lock)
            {
                if (_log.Count == 0)
                {
                    return null;
                }
                List<string> lines = _log;
                _log = new List<string>();
                return lines;
            }
        }

        /// <summary>Ends the process, at once.</summary>
        public void End()
        {
            if (_process == null)
            {
                return;
            }
            try
            {
                _process.Kill();
                _process.WaitForExit(500);
            }
            catch (InvalidOperationException)
            {
                // It has ended by itself.
            }
            catch (Win32Exception)
            {
                // It is ending.
            }
            Forget();
        }

        private string Start(long nowMs)
        {
            ProcessStartInfo info = new ProcessStartInfo(_program, _arguments);
            info.UseShellExecute = false;
            info.CreateNoWindow = true;
            info.RedirectStandardOutput = true;
            info.RedirectStandardError = true;
            info.StandardOutputEncoding = Encoding.UTF8;
            info.StandardErrorEncoding = Encoding.UTF8;
            info.EnvironmentVariables[TokenVariable] = Token;
            Process process = new Process();
            process.StartInfo = info;
            process.OutputDataReceived += (sender, line) => TakeOutput(process, line.Data);
            process.ErrorDataReceived += (sender, line) => AddLog(line.Data);
            try
            {
                process.Start();
            }
            catch (Exception error)
            {
                // Win32Exception of the system, or NotSupportedException where games may start nothing.
                process.Dispose();
                Delay(nowMs);
                return _program + " could not be started: " + error.Message;
            }
            lock (_lock)
            {
                _process = process;
            }
            Pid = process.Id;
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            AddLog("started " + _program + " " + _arguments);
            return null;
        }

        private void TakeOutput(Process process, string line)
        {
            if (line == null)
            {
                return;
            }
            string endpoint = EndpointIn(line);
            if (endpoint == null)
            {
                AddLog(line);
                return;
            }
            lock (_lock)
            {
                if (process == _process)
                {
                    _endpoint = endpoint;
                    _backOffMs = FirstBackOffMs;
                }
            }
        }

        private void AddLog(string line)
        {
            if (line == null)
            {
                return;
            }
            lock (_lock)
            {
                _log.Add(line);
                _lastLine = line;
            }
        }

        private void Delay(long nowMs)
        {
            AddLog("starting it again in " + _backOffMs + " ms");
            _nextStartMs = nowMs + _backOffMs;
            _backOffMs = Math.Min(2 * _backOffMs, MaxBackOffMs);
        }

        private void Forget()
        {
            lock (_lock)
            {
                _process.Dispose();
                _process = null;
                _endpoint = "";
            }
            Pid = 0;
        }

        /// <summary>The endpoint in {"event": "listening", "endpoint": "…"}; null when it is not that.</summary>
        private static string EndpointIn(string line)
        {
            const string Key = "\"endpoint\": \"";
            int at = line.IndexOf(Key, StringComparison.Ordinal);
            if (at < 0 || line.IndexOf("\"listening\"", StringComparison.Ordinal) < 0)
            {
                return null;
            }
            int end = line.IndexOf('"', at + Key.Length);
            return end < 0 ? null : line.Substring(at + Key.Length, end - at - Key.Length);
        }

        private static string NewToken()
        {
            byte[] bytes = new byte[TokenBytes];
            using (RandomNumberGenerator random = RandomNumberGenerator.Create())
            {
                random.GetBytes(bytes);
            }
            return BitConverter.ToString(bytes).Replace("-", "").ToLowerInvariant();
        }

        /// <summary>One command line, quoted as both Windows and mono take apart.</summary>
        private static string Joined(IEnumerable<string> arguments)
        {
            StringBuilder line = new StringBuilder();
            foreach (string argument in arguments)
            {
                string escaped = argument.Replace("\"", "\\\"");
                int numSlashes = escaped.Length - escaped.TrimEnd('\\').Length;
                line.Append('"').Append(escaped).Append('\\', numSlashes).Append("\" ");
            }
            return line.ToString().TrimEnd();
        }
    }
}
