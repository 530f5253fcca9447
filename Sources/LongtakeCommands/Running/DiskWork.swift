import Dispatch
import LongtakeCore
import Synchronization

/// Runs calls that wait for the disk on threads of their own, so that they do not occupy the
/// threads of Swift's tasks.
///
/// Each queue is serial, because Dispatch then gives it a thread of its own if it must. A
/// concurrent queue takes its threads from those of Swift's tasks: with 64 calls that hung, tasks
/// waited 23 s.
enum DiskWork {
    private static let queues = (0..<8).map { DispatchQueue(label: "longtake.commands.disk.\($0)") }
    private static let next = Atomic<Int>(0)

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { caller in
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            queues[number & (queues.count - 1)].async { caller.resume(with: Result(catching: body)) }
        }
    }
}

/// A system call that failed.
struct SystemFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What could not be done, as in `make a directory`.
    let action: String
    let code: Int32

    var description: String { "cannot \(action): \(SystemText.error(code))" }

    /// Whether the disk or a quota is full.
    var isFull: Bool { code == SystemText.noSpace || code == SystemText.overQuota }
}
