import Hummingbird
import LongtakeCore

extension Request {
    /// Refuses a body that does not say that it is JSON.
    func requireJSONBody() throws(Problem) {
        guard
            headers[.contentType]?.split(separator: ";", omittingEmptySubsequences: false).first?.trimmed.lowercased()
                == MediaTypes.json
        else {
            throw .unsupportedMediaType
        }
    }

    /// The body as JSON.
    /// - Throws: ``Problem`` with 400, 413 or 415.
    func jsonBody() async throws -> JSONValue {
        try requireJSONBody()
        return try JSONBody.parse(try await body.collect(upTo: Limits.requestBodyBytes))
    }
}
