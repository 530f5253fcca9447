import Glibc

/// Ends a thread's wait early.
///
/// A pipe to poll rather than a semaphore: those of Dispatch and of POSIX wait until a time of the wall clock, and so an hour longer when that
/// is set back by one meanwhile. poll(2) counts down.
final class Bell: Sendable {
    /// −1 where the system had none left: then every wait lasts its whole time.
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

    func ring() {
        var byte: UInt8 = 0
        // A pipe that is full rings already.
        _ = write(writeEnd, &byte, 1)
    }

    /// Waits for the bell, which may have rung before, or until the time is over. What it rang is used up.
    /// - Returns: whether it rang.
    @discardableResult
    func wait(milliseconds: Int) -> Bool {
        var wanted = pollfd(fd: readEnd, events: Int16(POLLIN), revents: 0)
        let hasRung = poll(&wanted, 1, CInt(milliseconds)) > 0
        var bytes = [UInt8](repeating: 0, count: 64)
        while hasRung, read(readEnd, &bytes, bytes.count) == bytes.count {}
        return hasRung
    }
}
