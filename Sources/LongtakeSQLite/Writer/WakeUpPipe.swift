import Glibc

/// Ends the wait of a thread early.
///
/// It is a pipe with poll(2), which counts down. The semaphores of Dispatch and POSIX wait until a
/// time of the wall clock: if somebody sets that back by an hour, they wait an hour longer.
final class WakeUpPipe: Sendable {
    /// −1 if the system had no descriptor left. Then every wait lasts its whole time.
    private let readEnd: CInt
    private let writeEnd: CInt

    init() {
        var ends: [CInt] = [-1, -1]
        if pipe(&ends) == 0 {
            for end in ends {
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
            }
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        for end in [readEnd, writeEnd] where end >= 0 { close(end) }
    }

    func signal() {
        var byte: UInt8 = 0
        // If the pipe is full, it has signals already.
        _ = write(writeEnd, &byte, 1)
    }

    /// Waits for a signal, which may have come before, or until the time is over. Consumes all
    /// signals.
    /// - Returns: whether there was a signal.
    @discardableResult
    func wait(milliseconds: Int) -> Bool {
        var wanted = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        let isSignaled = poll(&wanted, 1, CInt(milliseconds)) > 0
        var bytes = [UInt8](repeating: 0, count: 64)
        while isSignaled, read(readEnd, &bytes, bytes.count) == bytes.count {}
        return isSignaled
    }
}
