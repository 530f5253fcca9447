import Logging
import LongtakeCore
import LongtakeStream
import NIOCore
import NIOHTTP1

/// Which requests the access log records: `log.access`.
public enum AccessLogMode: String, Hashable, Sendable, CaseIterable {
    case off
    /// Those with status 400 and above.
    case errors
    case all
}

/// The access log: one line for each request, written when its response has ended. It never shows a query or a key.
struct AccessLog: Sendable {
    private let mode: AccessLogMode
    private let logger: Logger

    init(_ mode: AccessLogMode, logger: Logger) {
        self.mode = mode
        var logger = logger
        // The setting alone decides, whatever `log.level` is.
        logger.logLevel = min(logger.logLevel, .info)
        self.logger = logger
    }

    /// Begins the record of a request.
    /// - Returns: `nil` if nothing is recorded, so that a daemon without access log pays nothing.
    func begin(_ head: HTTPRequestHead?, _ exchange: RequestExchange, at time: NIODeadline) -> AccessRecord? {
        mode == .off ? nil : AccessRecord(method: head?.method.rawValue, exchange: exchange, start: time)
    }

    /// Writes the line of a request whose response has ended.
    /// - Parameter end: how a stream ended, or `client` if the client left before the end of the response.
    func write(_ record: AccessRecord, end: StreamClose?, at time: NIODeadline) {
        let status = record.status ?? Self.clientLeft
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

    /// The status of a request whose client left before there was a response. No response has it.
    private static let clientLeft = 499

    /// In milliseconds' precision.
    private static func seconds(from start: NIODeadline, to end: NIODeadline) -> Double {
        Double((end - start).nanoseconds / 1_000_000) / 1_000
    }
}

/// What the access log knows of a request that is under way. It belongs to its connection's event loop.
final class AccessRecord {
    /// `nil` if the request could not be read.
    let method: String?
    let exchange: RequestExchange
    let start: NIODeadline
    /// `nil` until there is a response, and for good if the client leaves before.
    var status: Int?
    /// Of the response's body as it was sent.
    var bytes = 0

    init(method: String?, exchange: RequestExchange, start: NIODeadline) {
        self.method = method
        self.exchange = exchange
        self.start = start
    }
}
