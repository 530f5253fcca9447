import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import NIOCore

/// Parses the JSON body of a request.
enum JSONBody {
    /// - Throws: ``Problem`` with 400 if the body is not JSON in UTF-8 or exceeds a limit.
    static func parse(_ bytes: ByteBuffer) throws(Problem) -> JSONValue {
        do throws(JSONParseError) {
            return try JSONReader.read(Array(bytes.readableBytesView))
        } catch {
            switch error {
            case .notUTF8:
                throw .badRequest("The body must be JSON in UTF-8.")
            case .byteOrderMark:
                throw .badRequest(
                    "The body begins with a byte order mark (EF BB BF), which JSON does not allow (RFC 8259 §8.1). Send it without these three bytes."
                )
            case .malformed(let offset):
                throw .badRequest("The body is not valid JSON at byte \(offset).")
            case .duplicateName(let name):
                throw .badRequest("An object in the body has two members named “\(name.prefix(64))”.")
            case .equivalentNames(let name):
                throw .badRequest(
                    "An object in the body has two members whose names are equivalent in Unicode: “\(name.prefix(64))”."
                )
            case .nameTooLong(let offset):
                throw .badRequest(
                    "A member name in the body is longer than \(Limits.jsonNameBytes) bytes. It ends at byte \(offset)."
                )
            case .numberOutOfRange(let offset):
                throw .badRequest("The number at byte \(offset) of the body is too large.")
            case .tooDeep:
                throw .badRequest("The body nests arrays and objects more than \(Limits.jsonDepth) levels deep.")
            }
        }
    }
}

extension Request {
    /// - Throws: ``Problem`` with 406 if the client does not accept JSON.
    func requireAcceptsJSON() throws {
        guard AcceptHeader(headers[.accept]).choose(from: [MediaTypes.json]) != nil else {
            throw Problem.notAcceptable(MediaTypes.json)
        }
    }

    /// - Throws: ``Problem`` with 415 if `Content-Type` is not JSON.
    func requireJSONBody() throws(Problem) {
        guard
            headers[.contentType]?.split(separator: ";", omittingEmptySubsequences: false).first?.trimmed.lowercased()
                == MediaTypes.json
        else {
            throw .unsupportedMediaType
        }
    }

    /// Reads and parses the JSON body.
    /// - Throws: ``Problem`` with 400, 413 or 415.
    func jsonBody() async throws -> JSONValue {
        try requireJSONBody()
        return try JSONBody.parse(try await body.collect(upTo: HTTPLimits.requestBodyBytes))
    }
}

extension Response {
    /// Writes the members in the order of the document.
    static func json(_ document: some JSONDocument, status: HTTPResponse.Status = .ok) -> Response {
        var json = JSONWriter(capacity: 1_536)
        document.write(into: &json)
        return .json(bytes: json.bytes, status: status)
    }

    /// Writes the members in alphabetical order.
    static func json(sorted value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        .json(bytes: try JSONText.data(value), status: status)
    }

    /// - Parameter bytes: the whole document. The response adds a line feed for readers in a
    ///   terminal.
    static func json(bytes: some Sequence<UInt8>, status: HTTPResponse.Status = .ok) -> Response {
        var body = ByteBuffer(bytes: bytes)
        body.writeInteger(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: [.contentType: MediaTypes.json, .cacheControl: "no-store"],
            body: .init(byteBuffer: body))
    }
}
