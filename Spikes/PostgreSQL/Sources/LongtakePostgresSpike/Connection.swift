import CLibPQ
import Dispatch
import Glibc

/// An error that PostgreSQL answered. The transaction was rolled back.
public struct PostgresError: Error, CustomStringConvertible {
    /// SQLSTATE, such as 40P01 for a deadlock.
    public let state: String
    public let message: String
    public var description: String { "\(state): \(message)" }
}

/// The connection ended before an answer came, so nobody knows whether the statement took effect.
public struct ConnectionLost: Error {
    public init() {}
}

/// Where a test has the connection of a batch cut.
public enum Cut: Sendable {
    /// Before the batch is sent: it never takes effect.
    case beforeSend
    /// After the batch is sent and before its answer, when the closure returns: the batch takes effect at some time,
    /// without its node.
    case afterSend(@Sendable () -> Void)
}

/// One libpq connection, for one thread at a time. Each statement is a transaction of its own: none runs inside BEGIN.
public final class Connection {
    private let handle: OpaquePointer

    /// - Parameter conninfo: as libpq reads it.
    public init(_ conninfo: String) throws {
        guard let handle = PQconnectdb(conninfo) else { throw ConnectionLost() }
        self.handle = handle
        guard PQstatus(handle) == CONNECTION_OK else { throw ConnectionLost() }
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
    }

    deinit { PQfinish(handle) }

    /// The rows of a statement, as text.
    @discardableResult
    public func rows(_ sql: String, _ parameters: [String?] = [], cut: Cut? = nil) throws -> [[String?]] {
        if case .beforeSend = cut { throw ConnectionLost() }
        try send(sql, parameters)
        if case .afterSend(let wait) = cut {
            wait()
            shutdown(PQsocket(handle), Int32(SHUT_RDWR))
            throw ConnectionLost()
        }
        return try receive()
    }

    private func send(_ sql: String, _ parameters: [String?]) throws {
        let texts = parameters.map { $0.map { strdup($0) } }
        defer { for text in texts { free(text ?? nil) } }
        let values: [UnsafePointer<CChar>?] = texts.map { $0.flatMap { UnsafePointer($0) } }
        guard PQsendQueryParams(handle, sql, Int32(values.count), nil, values, nil, nil, 0) == 1, PQflush(handle) == 0
        else { throw ConnectionLost() }
    }

    private func receive() throws -> [[String?]] {
        var rows: [[String?]] = []
        var error: PostgresError?
        while let result = PQgetResult(handle) {
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_TUPLES_OK:
                rows += (0..<PQntuples(result)).map { row in
                    (0..<PQnfields(result)).map { column in
                        PQgetisnull(result, row, column) == 1
                            ? nil : String(cString: PQgetvalue(result, row, column))
                    }
                }
            case PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: break
            default:
                let state = PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { String(cString: $0) }
                error = PostgresError(state: state ?? "", message: String(cString: PQresultErrorMessage(result)))
            }
        }
        guard PQstatus(handle) == CONNECTION_OK else { throw ConnectionLost() }
        guard let error else { return rows }
        // Whether the statement had committed is not known if an administrator ended the backend (57P01 to 57P03), or if
        // there is no SQLSTATE: then the error is libpq's own, because the connection broke.
        throw error.state.isEmpty || error.state.hasPrefix("57P") ? ConnectionLost() : error
    }

    /// Several statements without parameters.
    public func run(_ script: String) throws {
        guard PQsendQuery(handle, script) == 1 else { throw ConnectionLost() }
        _ = try receive()
    }

    /// The payloads of notifications that have come, after a wait of `milliseconds` at most.
    func notifications(within milliseconds: Int32) throws -> [String] {
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        if poll(&descriptor, 1, milliseconds) > 0, PQconsumeInput(handle) == 0 { throw ConnectionLost() }
        var payloads: [String] = []
        while let notification = PQnotifies(handle) {
            payloads.append(String(cString: notification.pointee.extra))
            PQfreemem(notification)
        }
        return payloads
    }
}

/// A connection with the queue on which it blocks. It connects when it is needed, and again after a loss.
///
/// `@unchecked`: the connection is touched on the queue only, which the compiler cannot know.
final class Lane: @unchecked Sendable {
    let queue: DispatchQueue
    private let conninfo: String
    private let greet: @Sendable (Connection) throws -> Void
    private var connection: Connection?

    /// - Parameter greet: is run on every new connection before anything else.
    init(_ label: String, _ conninfo: String, greet: @escaping @Sendable (Connection) throws -> Void = { _ in }) {
        queue = DispatchQueue(label: label)
        self.conninfo = conninfo
        self.greet = greet
    }

    /// To be called on the queue.
    func connected<Value>(_ body: (Connection) throws -> Value) throws -> Value {
        let open: Connection
        if let connection {
            open = connection
        } else {
            open = try Connection(conninfo)
            try greet(open)
            connection = open
        }
        do {
            return try body(open)
        } catch let lost as ConnectionLost {
            connection = nil
            throw lost
        }
    }

    /// A read, which may be repeated.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Connection) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { caller in
            queue.async { caller.resume(with: Result { try self.repeated { try self.connected(body) } }) }
        }
    }

    /// To be called on the queue. Tries again while the database is away, 20 seconds at most.
    func repeated<Value>(_ body: () throws -> Value) throws -> Value {
        for _ in 0..<200 {
            do { return try body() } catch is ConnectionLost { usleep(100_000) }
        }
        throw ConnectionLost()
    }

    /// Lets go of the connection, behind what waits.
    func close() { queue.async { self.connection = nil } }
}
