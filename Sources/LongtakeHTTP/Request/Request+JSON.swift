import Hummingbird
import LongtakeCore

extension Request {
    /// The body as JSON.
    /// - Throws: ``Problem`` with 400, 413 or 415.
    func jsonBody() async throws -> JSONValue {
        guard headers[.contentType]?.split(separator: ";").first?.trimmed.lowercased() == MediaTypes.json else {
            throw Problem.unsupportedMediaType
        }
        return try SubmissionBody.parse(try await body.collect(upTo: Limits.requestBodyBytes))
    }
}
