internal import CLongtakeProcess
import Glibc
import Synchronization

/// Says when pipes and sockets can be read. One thread waits for all of them with epoll(7), so a
/// program that runs costs no thread.
///
/// Dispatch offers the same with read sources. With them, the end of a connection was sometimes not
/// delivered, and a process with many of them crashed (Swift 6.3.1 on Linux).
final class ReadinessWatcher: Sendable {
    static let shared = ReadinessWatcher()

    private struct State {
        var handlers: [UInt64: @Sendable () -> Void] = [:]
        var nextID: UInt64 = 1
    }

    private let epoll: CInt
    private let state = Mutex(State())

    private init() {
        epoll = longtake_readiness_make()
        precondition(epoll >= 0, "the kernel has no epoll, or the process has no descriptor left")
        var thread = pthread_t()
        // The watcher lives as long as the process, so the thread may hold it unretained.
        let watcher = Unmanaged.passUnretained(self).toOpaque()
        let code = pthread_create(
            &thread, nil,
            { watcher in
                watcher.map { Unmanaged<ReadinessWatcher>.fromOpaque($0).takeUnretainedValue().run() }
                return nil
            }, watcher)
        precondition(code == 0, "a thread cannot be made")
        pthread_detach(thread)
    }

    /// Watches a descriptor, which must be open until ``Watch/cancel()``.
    /// - Parameter onReadable: called on the watcher's thread, so it must not block.
    func watch(_ descriptor: CInt, onReadable: @escaping @Sendable () -> Void) -> Watch {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            state.handlers[state.nextID] = onReadable
            return state.nextID
        }
        if longtake_readiness_add(epoll, descriptor, id) != 0 {
            // Only a regular file or a lack of memory can refuse this. A read then says what is
            // wrong.
            onReadable()
        }
        return Watch(id: id, descriptor: descriptor, watcher: self)
    }

    /// One descriptor that is watched.
    struct Watch: Sendable {
        fileprivate let id: UInt64
        fileprivate let descriptor: CInt
        fileprivate let watcher: ReadinessWatcher

        /// Asks for one call of the handler: when the descriptor can be read, or has ended.
        func arm() { longtake_readiness_arm(watcher.epoll, descriptor, id) }

        /// Stops watching. The handler may still be running, and is not called again.
        func cancel() {
            longtake_readiness_remove(watcher.epoll, descriptor)
            watcher.state.withLock { _ = $0.handlers.removeValue(forKey: id) }
        }
    }

    private func run() {
        var ids = [UInt64](repeating: 0, count: 64)
        while true {
            let count = longtake_readiness_wait(epoll, &ids)
            // The end of a connection is also reported once while its watch is not armed.
            for id in ids.prefix(max(0, Int(count))) { state.withLock { $0.handlers[id] }?() }
        }
    }
}
