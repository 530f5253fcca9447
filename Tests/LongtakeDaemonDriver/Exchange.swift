import FoundationEssentials
import Testing

/// The head of a response, as received.
package struct ResponseHead {
    package let status: Int
    package let version: String
    /// The header fields in their order, with names as received.
    package let fields: [(name: String, value: String)]

    package init(_ bytes: [UInt8]) throws {
        let lines = Self.lines(bytes)
        let parts = lines[0].split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, let status = Int(parts[1]) else { throw Malformed.head(lines[0]) }
        version = String(parts[0])
        self.status = status
        fields = lines.dropFirst().filter { !$0.isEmpty }.map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            return (String(line[..<colon]), String(line[colon...].dropFirst().drop { $0 == " " }))
        }
    }

    /// The lines between CR LF.
    private static func lines(_ bytes: [UInt8]) -> [String] {
        var (lines, start) = ([String](), 0)
        while let end = bytes.end(of: [0x0d, 0x0a], from: start) {
            lines.append(String(decoding: bytes[start..<(end - 2)], as: UTF8.self))
            start = end
        }
        return lines + [String(decoding: bytes[start...], as: UTF8.self)]
    }

    package enum Malformed: Error {
        case head(String)
        case chunk(String)
    }

    package subscript(name: String) -> String? {
        fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    package var isChunked: Bool { self["transfer-encoding"] == "chunked" }
}

/// A complete response.
package struct Exchange {
    package let head: ResponseHead
    package let body: String

    package var status: Int { head.status }

    package subscript(name: String) -> String? { head[name] }

    /// The body as a JSON object.
    package func object() throws -> [String: Any] { try JSON.object(body) }

    /// A string member of that object.
    package func text(_ name: String) throws -> String { try #require(try object()[name] as? String, "\(body)") }
}

extension Socket {
    /// Sends one request and reads the complete response.
    package func exchange(_ request: String, isHead: Bool = false, within seconds: Double = 30) throws -> Exchange {
        try send(request)
        return try readResponse(isHead: isHead, within: seconds)
    }

    package func readHead(within seconds: Double = 30) throws -> ResponseHead {
        try ResponseHead(read(through: "\r\n\r\n", within: seconds))
    }

    package func readResponse(isHead: Bool = false, within seconds: Double = 30) throws -> Exchange {
        let head = try readHead(within: seconds)
        if isHead || head.status == 204 || head.status == 304 { return Exchange(head: head, body: "") }
        return Exchange(head: head, body: String(decoding: try readBody(of: head, within: seconds), as: UTF8.self))
    }

    /// The body after a head that has one.
    package func readBody(of head: ResponseHead, within seconds: Double = 30) throws -> [UInt8] {
        guard head.isChunked else {
            return try head["content-length"].map { try read(count: Int($0) ?? 0, within: seconds) }
                ?? readToEnd(within: seconds)
        }
        var body: [UInt8] = []
        while let chunk = try readChunk(within: seconds) { body += chunk }
        return body
    }

    /// One chunk of a chunked body (RFC 9112 §7.1); `nil` after the last chunk or if the connection
    /// was closed.
    package func readChunk(within seconds: Double = 30) throws -> [UInt8]? {
        let line = String(decoding: try read(through: "\r\n", within: seconds), as: UTF8.self)
        if line.isEmpty { return nil }
        guard line.hasSuffix("\r\n"), let size = Int(line.dropLast(1), radix: 16) else {
            throw ResponseHead.Malformed.chunk(line)
        }
        let bytes = try read(count: size, within: seconds)
        let end = try read(count: 2, within: seconds)
        guard bytes.count == size, end == [13, 10] else { return nil }
        return size == 0 ? nil : bytes
    }
}

package enum JSON {
    package static func object(_ text: String) throws -> [String: Any] {
        let value = try JSONDecoder().decode(Value.self, from: Data(text.utf8)).any
        guard let object = value as? [String: Any] else { throw NotAnObject(text: text) }
        return object
    }

    package struct NotAnObject: Error { package let text: String }

    /// Any JSON value, for tests that read members of it.
    private enum Value: Decodable {
        case null
        case value(any Sendable)
        case array([Value])
        case object([String: Value])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if container.decodeNil() {
                self = .null
            } else if let bool = try? container.decode(Bool.self) {
                self = .value(bool)
            } else if let number = try? container.decode(Double.self) {
                self = .value(number)
            } else if let text = try? container.decode(String.self) {
                self = .value(text)
            } else if let array = try? container.decode([Value].self) {
                self = .array(array)
            } else {
                self = .object(try container.decode([String: Value].self))
            }
        }

        var any: Any {
            switch self {
            case .value(let value): value
            case .array(let values): values.map(\.any)
            case .object(let members): members.mapValues(\.any)
            case .null: Null()
            }
        }
    }

    /// `null`, as opposed to a missing member.
    package struct Null {}
}
