import Dispatch
import Glibc
import Synchronization

/// SIGTERM and SIGINT: the first asks for an orderly stop, a second one ends the process at once.
///
/// A handler that writes to a pipe, since it is there from one system call on. Dispatch's own sources, which need the signal ignored, lose
/// one that comes between that and their registration: a stop in the middle of a start would never be heard.
final class StopSignals {
    private let source: any DispatchSourceRead
    private let queue = DispatchQueue(label: "longtake.signals")

    /// Where the handler writes to; −1 before there is one.
    private static let pipe = Atomic<CInt>(-1)

    /// From here on the signals are ours; SIGPIPE does nothing.
    /// - Parameters:
    ///   - first: called once, with the signal's number.
    ///   - hangUp: called at each SIGHUP, which ends nothing.
    init(first: @escaping @Sendable (CInt) -> Void, hangUp: @escaping @Sendable () -> Void) {
        var ends: [CInt] = [-1, -1]
        precondition(Glibc.pipe(&ends) == 0, "a process that starts has descriptors")
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
                    hangUp()
                    continue
                }
                let isSecond = hasSeen.withLock { hasSeen in
                    defer { hasSeen = true }
                    return hasSeen
                }
                if isSecond { _exit(128 + CInt(number)) }
                first(CInt(number))
            }
        }
        source.resume()
        self.source = source
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGHUP, SIGTERM, SIGINT] { signal(number, Self.handler) }
    }

    /// Gives the signals back, when the stop is over: nothing of this runs while the process is taken apart. From here on SIGTERM and SIGINT end
    /// the process at once, and SIGHUP does nothing.
    func cancel() {
        signal(SIGHUP, SIG_IGN)
        for number in [SIGTERM, SIGINT] { signal(number, SIG_DFL) }
        source.cancel()
        // Behind a handler that runs.
        queue.sync {}
    }

    /// Only what signal-safety(7) allows.
    private static let handler: @convention(c) (CInt) -> Void = { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(StopSignals.pipe.load(ordering: .sequentiallyConsistent), &byte, 1)
        errno = saved
    }
}
