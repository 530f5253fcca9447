import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore

/// `GET /openapi.json`: the whole API as OpenAPI 3.1, for tools that generate clients.
struct DocumentRoutes: Sendable {
    /// The embedded file `OpenAPI/openapi.json` without its last line feed.
    static let document = PackageResources.openapi_json.dropLast()

    /// How the file names the server.
    private static let server = #"{"url": "/"}"#

    private let document: [UInt8]

    /// - Parameter publicURL: the server that the document names; `nil` for the server that the
    ///   client used.
    init(publicURL: PublicURL?) {
        let text = String(decoding: Self.document, as: UTF8.self)
        document = Array(
            (publicURL.map { text.replacing(Self.server, with: #"{"url": "\#($0)"}"#) } ?? text).utf8)
    }

    func register(on routes: inout RouteTable) {
        routes.add("/openapi.json", [.get: .open(show)])
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        return .json(bytes: document)
    }
}

/// `GET /`: a page for people who open the daemon's URL in a browser. It explains the API with
/// commands that can be copied. It shows no data, so it needs no key.
struct HomeRoutes: Sendable {
    /// The embedded file `Home/home.html`. `{address}` stands for the daemon's URL, and `{base}`
    /// for the text before the path of each link.
    private static let page = String(decoding: PackageResources.home_html, as: UTF8.self)
    /// Allows the page's own style and nothing else (CSP 3 §6.7.3.3).
    private static let policy =
        "default-src 'none'; style-src '\(hash(of: style))'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    let publicURL: PublicURL?

    func register(on routes: inout RouteTable) {
        routes.add("/", [.get: .open(home)])
    }

    @Sendable private func home(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        guard AcceptHeader(request.headers[.accept]).choose(from: [Self.mediaType]) != nil else {
            throw Problem.notAcceptable(Self.mediaType)
        }
        let page = Self.page.replacing("{address}", with: Self.escaped(address(request, context)))
            .replacing("{base}", with: Self.escaped(publicURL?.description ?? ""))
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-cache",
                .contentSecurityPolicy: Self.policy,
            ], body: .init(byteBuffer: ByteBuffer(string: page)))
    }

    /// The URL in the commands: the public URL if there is one, otherwise the URL that the client
    /// used.
    private func address(_ request: Request, _ context: DaemonRequestContext) -> String {
        if let publicURL { return publicURL.description }
        let forwarding = context.exchange.forwarding
        let host = forwarding.host ?? request.head.authority ?? ""
        return "\(forwarding.scheme ?? "http")://\(host.isEmpty ? "localhost" : host)"
    }

    /// Makes the URL safe as HTML text and attribute (WHATWG HTML §13.3) and in shell commands.
    /// Removes all characters that a URL of ours cannot contain.
    private static func escaped(_ address: String) -> String {
        String(decoding: address.utf8.filter { PublicURL.characters.contains($0) }, as: UTF8.self)
    }

    private static let mediaType = "text/html"

    /// The text between the `style` tags of the page.
    private static var style: Substring {
        guard let start = page.firstRange(of: "<style>"), let end = page.firstRange(of: "</style>") else { return "" }
        return page[start.upperBound..<end.lowerBound]
    }

    private static func hash(of style: Substring) -> String {
        "sha256-" + Data(SHA256.hash(data: Array(style.utf8))).base64EncodedString()
    }
}
