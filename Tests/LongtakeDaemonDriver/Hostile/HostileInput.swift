/// Bytes from a broken or hostile client, and the expected responses.
package struct HostileInput: Sendable {
    package let name: String
    package let bytes: [UInt8]
    /// The status of each response, in order. Empty if the connection closes without a response
    /// after the client has half-closed it.
    package let answers: [Int]
    /// Whether the connection accepts another request afterwards.
    package let isKept: Bool

    /// - Parameter text: each character stands for one byte (ISO 8859-1), so it can contain any
    ///   byte.
    private init(_ name: String, _ text: String, answers: [Int], isKept: Bool) {
        self.name = name
        bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        self.answers = answers
        self.isKept = isKept
    }

    /// The input gets these responses, and the connection stays open.
    package init(_ name: String, _ text: String, _ answers: Int...) {
        self.init(name, text, answers: answers, isKept: true)
    }

    /// The input gets these responses, and then the connection closes.
    package init(_ name: String, _ text: String, closes answers: Int...) {
        self.init(name, text, answers: answers, isKept: false)
    }

    /// The daemon waits for the rest of the input. If it never comes, there is no response.
    package init(unanswered name: String, _ text: String) {
        self.init(name, text, answers: [], isKept: false)
    }

    /// The number of jobs that the input submits.
    package var submissions: Int { answers.count { $0 == 201 } }

    package var isHead: Bool { bytes.starts(with: Array("HEAD ".utf8)) }
}

/// A group of similar inputs.
package struct HostileGroup: Sendable, CustomStringConvertible {
    package let description: String
    package let inputs: [HostileInput]

    package static let all = [
        json, numbers, texts, rules, lengths, codings, chunks, lines, fields, methods, targets, queries,
        representations,
        conditions, protocols, pipelines,
    ]
}

// Functions that write the inputs. They contain everything that is not hostile.

func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

func get(_ target: String, _ fields: String = "") -> String {
    "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
}

/// The head of a submission without the length.
func head(_ fields: String) -> String {
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(fields)\r\n"
}

/// A complete submission.
func post(_ body: String, _ fields: String = "Content-Type: application/json\r\n") -> String {
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\(fields)Content-Length: \(body.unicodeScalars.count)\r\n\r\n\(body)"
}

/// A submission with one additional member.
func member(_ member: String) -> String { post(#"{"input":{"prompt":"a"},"# + member + "}") }

/// A submission with this JSON as its prompt.
func prompt(_ json: String) -> String { post(#"{"input":{"prompt":"# + json + "}}") }

/// A submission in chunks.
func chunked(_ chunks: String, _ fields: String = "Transfer-Encoding: chunked\r\n") -> String {
    head(fields) + chunks
}

/// A valid body of 24 bytes, and the same as one chunk.
let ok = #"{"input":{"prompt":"a"}}"#
let okChunk = "18\r\n\(ok)\r\n"

/// A complete submission inside another request. The daemon must never take it for a request.
let smuggled = post(#"{"input":{"prompt":"smuggled"}}"#)
