import Logging
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1

/// Which requests the access log records: `log.access`.
public enum AccessLogMode: String, Hashable, Sendable, CaseIterable {
    case off
    /// Only requests with status 400 and above.
    case errors
    case all
}

/// The access log: one line for each request, written when its response has ended. It never
/// contains a query or a key.
struct AccessLog: Sendable {
    private let mode: AccessLogMode
    private let logger: Logger

    init(_ mode: AccessLogMode, logger: Logger) {
        self.mode = mode
        var logger = logger
        // Only `log.access` decides, so the level must let the lines through.
        logger.logLevel = min(logger.logLevel, .info)
        self.logger = logger
    }

    /// Begins the record of a request.
    /// - Returns: `nil` if the access log is off, so that it costs nothing then.
    func begin(_ head: HTTPRequestHead?, _ exchange: RequestExchange, at time: NIODeadline) -> AccessRecord? {
        mode == .off ? nil : AccessRecord(method: head?.method.rawValue, exchange: exchange, start: time)
    }

    /// Writes the line of a request whose response has ended.
    /// - Parameter end: how a stream ended, or `client` if the client disconnected before the end.
    func write(_ record: AccessRecord, end: StreamClose?, at time: NIODeadline) {
        let status = record.status ?? Self.clientDisconnected
        guard mode == .all || status >= 400 else { return }
        let exchange = record.exchange
        var fields: Logger.Metadata = [
            "client": "\(exchange.forwarding.client)",
            "key": "\(exchange.caller?.key?.description ?? "-")",
            "tenant": "\(exchange.caller?.tenant.description ?? "-")",
            "method": "\(record.method ?? "-")",
            "route": "\(exchange.route ?? "-")",
            "status": .stringConvertible(status),
            "bytes": .stringConvertible(record.bytes),
            "duration_seconds": .stringConvertible(Self.seconds(from: record.start, to: time)),
            "request_id": "\(exchange.requestID)",
        ]
        if let end { fields["end"] = "\(end.name)" }
        logger.info("access", metadata: fields)
    }

    /// The logged status if the client disconnected before the response. No response has this
    /// status.
    private static let clientDisconnected = 499

    /// Rounded down to milliseconds.
    private static func seconds(from start: NIODeadline, to end: NIODeadline) -> Double {
        Double((end - start).nanoseconds / 1_000_000) / 1_000
    }
}

/// The access log's data about the current request of a connection. Only the connection's event
/// loop uses it.
final class AccessRecord {
    /// `nil` if the request could not be parsed.
    let method: String?
    let exchange: RequestExchange
    let start: NIODeadline
    /// `nil` until there is a response.
    var status: Int?
    /// The sent bytes of the response's body.
    var bytes = 0

    init(method: String?, exchange: RequestExchange, start: NIODeadline) {
        self.method = method
        self.exchange = exchange
        self.start = start
    }
}

extension ConnectionHandler {
    /// Writes the line of the current request, unless it is already written.
    func writeRecord(_ end: StreamClose?) {
        arriving = nil
        guard let record else { return }
        self.record = nil
        service.accessLog.write(record, end: end, at: channel.eventLoop.now)
    }
}
