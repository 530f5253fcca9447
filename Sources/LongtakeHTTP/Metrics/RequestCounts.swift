import HTTPTypes
import Synchronization

/// How many requests were answered with what since the start. There are only as many counters as methods and statuses, whatever clients send.
final class RequestCounts: Sendable {
    struct Kind: Hashable, Sendable {
        /// `other` for a method that no address has, and where none could be read.
        let method: String
        let status: Int
    }

    private let state = Mutex<[Kind: Int]>([:])

    var values: [Kind: Int] { state.withLock { $0 } }

    /// - Parameter method: as the client sent it; `nil` where it could not be read.
    func count(_ method: String?, status: Int) {
        let kind = Kind(method: method.flatMap { Self.methods.contains($0) ? $0 : nil } ?? "other", status: status)
        state.withLock { $0[kind, default: 0] += 1 }
    }

    private static let methods = Set(RouteTable.methods.map(\.rawValue) + ["HEAD"])
}
