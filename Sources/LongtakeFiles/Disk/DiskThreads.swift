import Dispatch
import Glibc
import LongtakeCore
import Synchronization

/// Threads that block on the disk, so that no thread of the cooperative pool does. Work is done in
/// the order in which it arrives. Long work must arrive in pieces, so that it does not delay
/// others.
final class DiskThreads: Sendable {
    /// A disk serves few requests at once. More threads only help while some of them wait for a
    /// sync.
    static let count = 8

    /// What the threads share. They do not keep ``DiskThreads`` alive.
    private final class Queue: Sendable {
        /// `nil` ends the thread that takes it.
        private let works = Mutex<[(@Sendable () -> Void)?]>([])
        private let available = DispatchSemaphore(value: 0)

        func add(_ work: (@Sendable () -> Void)?) {
            works.withLock { $0.append(work) }
            available.signal()
        }

        func take() -> (@Sendable () -> Void)? {
            available.wait()
            return works.withLock { $0.removeFirst() }
        }
    }

    private let queue = Queue()
    private let started: Int

    /// - Throws: ``FileStoreError/failed(_:)`` if the system allows no thread.
    init(_ count: Int = DiskThreads.count) throws(FileStoreError) {
        var started = 0
        for _ in 0..<count where Self.start(queue) { started += 1 }
        self.started = started
        guard started > 0 else { throw .failed("cannot start a thread for the files") }
    }

    deinit {
        for _ in 0..<started { queue.add(nil) }
    }

    /// Does the work on one of the threads.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(FileStoreError) -> Value
    ) async throws(FileStoreError) -> Value {
        let result: Result<Value, FileStoreError> = await withCheckedContinuation { caller in
            queue.add {
                do throws(FileStoreError) {
                    caller.resume(returning: .success(try work()))
                } catch {
                    caller.resume(returning: .failure(error))
                }
            }
        }
        return try result.get()
    }

    /// Does the work on one of the threads. Nobody waits for it.
    func start(_ work: @escaping @Sendable () -> Void) { queue.add(work) }

    private static func start(_ queue: Queue) -> Bool {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(queue).toOpaque()
        let result = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let queue = Unmanaged<Queue>.fromOpaque(argument).takeRetainedValue()
                while let work = queue.take() { work() }
                return nil
            }, argument)
        guard result == 0 else {
            Unmanaged<Queue>.fromOpaque(argument).release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
