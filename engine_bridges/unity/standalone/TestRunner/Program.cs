using System;
using System.Reflection;
using NUnit.Framework;

namespace NpcBrain.Standalone
{
    /// <summary>Runs the package's own tests as Unity's test runner does: <c>tests.exe ASSEMBLY</c>.</summary>
    internal static class TestRunner
    {
        private static int Main(string[] args)
        {
            int numFailed = 0;
            int numPassed = 0;
            foreach (Type type in Assembly.Load(args[0]).GetTypes())
            {
                foreach (MethodInfo method in type.GetMethods())
                {
                    if (method.GetCustomAttributes(typeof(TestAttribute), false).Length == 0)
                    {
                        continue;
                    }
                    try
                    {
                        method.Invoke(Activator.CreateInstance(type), null);
                        numPassed++;
                    }
                    catch (TargetInvocationException exception)
                    {
                        numFailed++;
                        Console.WriteLine("FAILED " + method.Name + ": " + exception.InnerException.Message);
                    }
                }
            }
            Console.WriteLine(numPassed + " passed, " + numFailed + " failed");
            return numFailed;
        }
    }
}
