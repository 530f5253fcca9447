import Dispatch
import Glibc
import Synchronization

/// Handles SIGTERM, SIGINT and SIGHUP. The first SIGTERM or SIGINT requests a graceful shutdown,
/// and a second one exits the process at once. SIGHUP requests a reload of the keys.
///
/// The signal handler writes to a pipe, because one system call installs it. Dispatch's signal
/// sources first need the signal to be ignored. They lose a signal that comes between that and
/// their registration, for example SIGTERM during startup.
final class ProcessSignals {
    private let source: any DispatchSourceRead
    private let queue = DispatchQueue(label: "longtake.signals")

    /// The write end of the pipe; −1 before the pipe exists.
    private static let pipe = Atomic<CInt>(-1)

    /// Installs the handlers. SIGPIPE is ignored.
    /// - Parameters:
    ///   - stop: called once, with the number of the first SIGTERM or SIGINT.
    ///   - reload: called at each SIGHUP.
    init(stop: @escaping @Sendable (CInt) -> Void, reload: @escaping @Sendable () -> Void) {
        var ends: [CInt] = [-1, -1]
        precondition(Glibc.pipe(&ends) == 0, "a process has free descriptors when it starts")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let end = ends[0]
        let hasSeen = Mutex(false)
        Self.pipe.store(ends[1], ordering: .sequentiallyConsistent)
        let source = DispatchSource.makeReadSource(fileDescriptor: end, queue: queue)
        source.setEventHandler {
            var number: UInt8 = 0
            while read(end, &number, 1) == 1 {
                guard number != UInt8(SIGHUP) else {
                    reload()
                    continue
                }
                let isSecond = hasSeen.withLock { hasSeen in
                    defer { hasSeen = true }
                    return hasSeen
                }
                if isSecond { _exit(128 + CInt(number)) }
                stop(CInt(number))
            }
        }
        source.resume()
        self.source = source
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGHUP, SIGTERM, SIGINT] { signal(number, Self.handler) }
    }

    /// Removes the handlers after a shutdown, so that none runs while the process exits. From here
    /// on SIGTERM and SIGINT exit the process at once, and SIGHUP is ignored.
    func cancel() {
        signal(SIGHUP, SIG_IGN)
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
        source.cancel()
        // Waits for a handler that is running.
        queue.sync {}
    }

    /// Calls only functions that signal-safety(7) allows.
    private static let handler: @convention(c) (CInt) -> Void = { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(ProcessSignals.pipe.load(ordering: .sequentiallyConsistent), &byte, 1)
        errno = saved
    }
}
