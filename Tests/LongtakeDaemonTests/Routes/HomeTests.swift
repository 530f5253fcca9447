import LongtakeDaemonDriver
import Testing

/// `GET /`.
@Suite struct HomeTests {
    @Test("serves a home page without a key, and all its links work")
    func links() async throws {
        try await onOwnThread {
            let keyed = try DaemonProcess(environment: ["LONGTAKE_AUTH_MODE=keys"])
            let page = try keyed.get("/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
            #expect(page.status == 200)
            #expect(page["content-type"] == "text/html; charset=utf-8")
            #expect(page["content-security-policy"]?.contains("style-src 'sha256-") == true)
            #expect(page["x-content-type-options"] == "nosniff")
            let links = page.body.split(separator: "href=\"").dropFirst().map { $0.prefix { $0 != "\"" } }
            #expect(links.count >= 6)
            let open = try SharedDaemon.get()
            for link in links { #expect(try open.get(String(link)).status == 200, "\(link)") }
            #expect(try open.get("/", "Accept: application/json").status == 406)
        }
    }
}
