internal import CLongtakeProcess
import Glibc

/// A child process that takes the place of this one.
package enum ChildProcess {
    /// The process cannot be made.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Starts a program with the arguments, the variables and the open descriptors of this process,
    /// with default signals, and in a process group of its own: a terminal sends its signals to
    /// this process only.
    package static func start(path: String) throws(Failure) -> Int32 {
        var pid: pid_t = 0
        let code = longtake_spawn(&pid, path, CommandLine.unsafeArgv, environ, nil, 0, 0)
        guard code == 0 else { throw Failure(description: String(cString: strerror(code))) }
        return pid
    }
}
