import LongtakeStream
import NIOCore

/// The connection's part of the access log.
extension ConnectionHandler {
    /// Writes the access log's line of the request, unless it is written already.
    func writeRecord(_ end: StreamClose?) {
        arriving = nil
        guard let record else { return }
        self.record = nil
        service.accessLog.write(record, end: end, at: channel.eventLoop.now)
    }
}
