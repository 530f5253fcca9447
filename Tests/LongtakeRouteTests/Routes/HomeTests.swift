import LongtakeDaemonDriver
import Testing

/// `GET /`.
@Suite struct HomeTests {
    @Test("serves a home page without a key, and all its links work")
    func links() async throws {
        let links = try await LocalDaemon.run(environment: ["LONGTAKE_AUTH_MODE=keys"]) { daemon in
            let page = try daemon.get("/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
            #expect(page.status == 200)
            #expect(page["content-type"] == "text/html; charset=utf-8")
            #expect(page["content-security-policy"]?.contains("style-src 'sha256-") == true)
            #expect(page["x-content-type-options"] == "nosniff")
            return page.body.split(separator: "href=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
        }
        #expect(links.count >= 6)
        try await LocalDaemon.run { daemon in
            for link in links { #expect(try daemon.get(link).status == 200, "\(link)") }
            let refused = try daemon.get("/", "Accept: application/json")
            #expect(refused.status == 406)
        }
    }
}
