import Crypto
import FoundationEssentials
import HTTPTypes
import Hummingbird
import LongtakeCore
import NIOCore

/// `GET /`: a page for whoever opens the daemon's address in a browser, which says what is here. It asks nothing of the daemon, so it needs
/// no key.
struct HomeRoutes: Sendable {
    /// Compiled in from `Home/home.html`.
    private static let page = PackageResources.home_html
    /// Nothing but its own style may do anything on it (CSP 3 §6.7.3.3).
    private static let policy =
        "default-src 'none'; style-src '\(hash(of: style))'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

    func register(on routes: inout RouteTable) {
        routes.add("/", [.get: .open(home)])
    }

    @Sendable private func home(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        guard Acceptance(request.headers[.accept]).choose(from: [Self.mediaType]) != nil else {
            throw Problem.notAcceptable(Self.mediaType)
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/html; charset=utf-8", .cacheControl: "no-cache",
                .contentSecurityPolicy: Self.policy,
            ], body: .init(byteBuffer: ByteBuffer(bytes: Self.page)))
    }

    private static let mediaType = "text/html"

    /// What stands between the page's `style` tags.
    private static var style: Substring {
        let text = String(decoding: page, as: UTF8.self)
        guard let start = text.firstRange(of: "<style>"), let end = text.firstRange(of: "</style>") else { return "" }
        return text[start.upperBound..<end.lowerBound]
    }

    private static func hash(of style: Substring) -> String {
        "sha256-" + Data(SHA256.hash(data: Array(style.utf8))).base64EncodedString()
    }
}
