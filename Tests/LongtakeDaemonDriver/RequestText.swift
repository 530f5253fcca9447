/// The text of HTTP/1.1 requests, for tests that send them in a way of their own.
package enum RequestText {
    /// The body of a small submission.
    package static let boat = #"{"input":{"prompt":"a paper boat in the rain"}}"#

    /// A request to `localhost`.
    /// - Parameters:
    ///   - fields: header lines, such as `Accept: text/html`.
    ///   - body: JSON; `nil` for a request without a body.
    package static func of(_ method: String, _ path: String, _ fields: [String] = [], body: String? = nil) -> String {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: localhost"] + fields
        if body != nil { lines.append("Content-Type: application/json") }
        if body != nil || method != "GET" { lines.append("Content-Length: \(body?.utf8.count ?? 0)") }
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
    }

    /// A request that submits a job.
    /// - Parameters:
    ///   - accept: the value of `Accept`; `nil` for none.
    ///   - key: the value of `Idempotency-Key`; `nil` for none.
    package static func submission(_ body: String = boat, accept: String? = nil, key: String? = nil) -> String {
        let fields = [accept.map { "Accept: \($0)" }, key.map { "Idempotency-Key: \($0)" }]
        return of("POST", "/v1/jobs", fields.compactMap { $0 }, body: body)
    }
}
