import Hummingbird

/// `GET /openapi.json`: the whole API as OpenAPI 3.1, for programs that make clients of it.
struct DocumentRoutes: Sendable {
    /// Compiled in from `OpenAPI/openapi.json`, without the end of its last line.
    static let document = PackageResources.openapi_json.dropLast()

    func register(on routes: inout RouteTable) {
        routes.add("/openapi.json", [.get: .open(document)])
    }

    @Sendable private func document(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireJSON()
        return .json(bytes: Self.document)
    }
}
