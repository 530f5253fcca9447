import Hummingbird

/// `GET /openapi.json`: the whole API as OpenAPI 3.1, for programs that make clients of it.
struct DocumentRoutes: Sendable {
    /// Compiled in from `OpenAPI/openapi.json`, without the end of its last line.
    static let document = PackageResources.openapi_json.dropLast()

    /// How the document names the server.
    private static let server = #"{"url": "/"}"#

    private let document: [UInt8]

    /// - Parameter publicURL: the server that the document names; `nil` for the one that gives the document out.
    init(publicURL: PublicURL?) {
        let text = String(decoding: Self.document, as: UTF8.self)
        document = Array(
            (publicURL.map { text.replacing(Self.server, with: #"{"url": "\#($0)"}"#) } ?? text).utf8)
    }

    func register(on routes: inout RouteTable) {
        routes.add("/openapi.json", [.get: .open(show)])
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireJSON()
        return .json(bytes: document)
    }
}
