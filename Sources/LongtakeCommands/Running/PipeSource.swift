import Glibc
import Synchronization

/// Tells a reader when its pipe can be read.
///
/// It does this once for each call of ``next()``. While the reader is busy, nobody watches the
/// pipe. The pipe fills, and its program waits.
final class PipeSource: Sendable {
    private let descriptor: Int32
    private let watch: ReadinessWatcher.Watch
    private let isClosed = Mutex(false)

    /// - Parameters:
    ///   - descriptor: the read end of a pipe, which does not block. ``close()`` closes it.
    ///   - onReadable: called when the pipe has bytes or has ended. It must not block.
    init(_ descriptor: Int32, onReadable: @escaping @Sendable () -> Void) {
        self.descriptor = descriptor
        watch = ReadinessWatcher.shared.watch(descriptor, onReadable: onReadable)
    }

    deinit { close() }

    /// Asks for the next call of `onReadable`.
    func next() { isClosed.withLock { if !$0 { watch.arm() } } }

    /// What one read has found.
    enum Reading: Hashable, Sendable {
        case bytes(Int)
        case nothingNow
        case end
    }

    /// Reads some bytes, without waiting. The caller does not close the pipe meanwhile.
    func read(into buffer: inout [UInt8]) -> Reading {
        guard !isClosed.withLock({ $0 }) else { return .end }
        let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { return .bytes(count) }
        if count < 0, errno == EAGAIN || errno == EINTR { return .nothingNow }
        return .end
    }

    /// Closes the pipe. Later calls have no effect.
    func close() {
        isClosed.withLock { isClosed in
            guard !isClosed else { return }
            isClosed = true
            watch.cancel()
            Glibc.close(descriptor)
        }
    }
}
