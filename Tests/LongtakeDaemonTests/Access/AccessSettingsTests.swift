import LongtakeDaemonDriver
import Testing

/// Settings that decide which clients the daemon accepts.
@Suite(.serialized) struct AccessSettingsTests {
    @Test("without keys, startup fails on an address beyond loopback unless --allow-anonymous is set")
    func loopback() async throws {
        try await onOwnThread {
            for host in ["0.0.0.0", "::", "127.example.org", "192.0.2.1"] {
                let (status, output) = try DaemonProcess.run(["serve", "--host", host, "--port", "0"])
                #expect(status == 78 && output.contains("--allow-anonymous"), "\(output)")
            }
            let daemon = try DaemonProcess("--host", "0.0.0.0", "--allow-anonymous")
            #expect(daemon.log.contains("the daemon requires no API key"))
            #expect(try daemon.get("/healthz").status == 200)
            let keyed = try DaemonProcess("--host", "0.0.0.0", environment: ["LONGTAKE_AUTH_MODE=keys"])
            #expect(try keyed.get("/v1/jobs").status == 401)
        }
    }

    // This test failed when `Settings.checkAccess` accepted `*`.
    @Test("without keys, no setting lets every web page control the daemon")
    func pages() async throws {
        try await onOwnThread {
            for origin in ["*", "null"] {
                let all = try DaemonProcess.run(["check"], environment: ["LONGTAKE_HTTP_CORS_ORIGINS=\(origin)"])
                #expect(all.status == 78 && all.output.contains("every web page"), "\(all.output)")
            }
            let hosts = try DaemonProcess.run(["check"], environment: ["LONGTAKE_HTTP_ALLOWED_HOSTS=*"])
            #expect(hosts.status == 78 && hosts.output.contains("auth.mode"), "\(hosts.output)")
        }
    }

    @Test(
        "an invalid public URL or proxy makes startup fail",
        arguments: [
            "LONGTAKE_HTTP_PUBLIC_URL=video.example.org",
            "LONGTAKE_HTTP_PUBLIC_URL=https://x?q",
            "LONGTAKE_HTTP_TRUSTED_PROXIES=10.0.0.0/33",
            "LONGTAKE_HTTP_TRUSTED_PROXIES=proxy.example.org",
        ])
    func proxies(variable: String) async throws {
        try await onOwnThread {
            let (status, output) = try DaemonProcess.run(["check"], environment: [variable])
            #expect(status == 78 && output.contains(variable.prefix { $0 != "=" }), "\(output)")
        }
    }
}
