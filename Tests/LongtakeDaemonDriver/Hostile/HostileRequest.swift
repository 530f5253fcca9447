// How the inputs of the list are written. Everything about them that is not hostile comes from here.

func many(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

func get(_ target: String, _ fields: String = "") -> String {
    "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n"
}

/// The head of a submission, without its length.
func head(_ fields: String) -> String {
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(fields)\r\n"
}

/// A submission that is whole.
func post(_ body: String, _ fields: String = "Content-Type: application/json\r\n") -> String {
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\(fields)Content-Length: \(body.unicodeScalars.count)\r\n\r\n\(body)"
}

/// A submission with one member besides what it needs.
func member(_ member: String) -> String { post(#"{"input":{"prompt":"a"},"# + member + "}") }

/// A submission with this JSON as its prompt.
func prompt(_ json: String) -> String { post(#"{"input":{"prompt":"# + json + "}}") }

/// A submission in chunks.
func chunked(_ chunks: String, _ fields: String = "Transfer-Encoding: chunked\r\n") -> String {
    head(fields) + chunks
}

/// A body that keeps all rules, of 24 bytes, and the same as one chunk.
let ok = #"{"input":{"prompt":"a"}}"#
let okChunk = "18\r\n\(ok)\r\n"

/// A whole submission that hides behind another request, and must never be taken for one.
let smuggled = post(#"{"input":{"prompt":"smuggled"}}"#)
