import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore

/// `GET /`: a page for people who open the daemon's address in a browser. It says what is here, with commands that can be copied. It
/// asks nothing of the daemon, so it needs no key.
struct HomeRoutes: Sendable {
    /// Compiled in from `Home/home.html`. `{address}` is where a client reaches the daemon, `{base}` what stands before a link's path.
    private static let page = String(decoding: PackageResources.home_html, as: UTF8.self)
    /// Nothing but its own style may do anything on it (CSP 3 §6.7.3.3).
    private static let policy =
        "default-src 'none'; style-src '\(hash(of: style))'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    let publicURL: PublicURL?

    func register(on routes: inout RouteTable) {
        routes.add("/", [.get: .open(home)])
    }

    @Sendable private func home(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        guard Acceptance(request.headers[.accept]).choose(from: [Self.mediaType]) != nil else {
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

    /// The address that a copied command names: the public one or, without one, that which the client asked at.
    private func address(_ request: Request, _ context: DaemonRequestContext) -> String {
        if let publicURL { return publicURL.description }
        let forwarding = context.exchange.forwarding
        let host = forwarding.host ?? request.head.authority ?? ""
        return "\(forwarding.scheme ?? "http")://\(host.isEmpty ? "localhost" : host)"
    }

    /// As text or attribute of HTML (WHATWG HTML §13.3), and safe in the page's commands: what no host has becomes nothing.
    private static func escaped(_ address: String) -> String {
        String(decoding: address.utf8.filter { PublicURL.characters.contains($0) }, as: UTF8.self)
    }

    private static let mediaType = "text/html"

    /// What stands between the page's `style` tags.
    private static var style: Substring {
        guard let start = page.firstRange(of: "<style>"), let end = page.firstRange(of: "</style>") else { return "" }
        return page[start.upperBound..<end.lowerBound]
    }

    private static func hash(of style: Substring) -> String {
        "sha256-" + Data(SHA256.hash(data: Array(style.utf8))).base64EncodedString()
    }
}
