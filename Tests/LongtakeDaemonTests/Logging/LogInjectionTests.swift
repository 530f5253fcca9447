import LongtakeDaemonDriver
import Testing

/// Log lines that contain text from clients.
@Suite(.serialized) struct LogInjectionTests {
    // Two measures prevent this: the parser rejects such characters, and the log handler replaces
    // them. Each one is enough, so the test fails only if both are missing.
    @Test("no text from a client begins a new log line, in both formats", arguments: ["text", "json"])
    func lines(_ form: String) async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--log-level", "trace", environment: ["LONGTAKE_LOG_FORMAT=\(form)"])
            for text in [
                "%0aforged", "%0d%0aforged", "\u{2028}forged", "\u{85}forged", "\u{1b}[2Kforged", "\u{7f}forged",
            ] {
                _ = try? daemon.get("/" + text)
                _ = try? daemon.get("/v1/jobs/" + text)
                _ = try? daemon.connect().exchange("forged\n GET / HTTP/1.1\r\n\r\n")
                _ = try? daemon.connect().exchange("\(text) /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            }
            #expect(try daemon.get("/healthz").status == 200)
            let lines = daemon.log.unicodeScalars.split {
                $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || (0x2028...0x2029).contains($0.value)
            }
            #expect(lines.count > 5)
            for line in lines.map({ String($0) }) {
                if form == "json" {
                    #expect(throws: Never.self) { try JSON.object(line) }
                } else {
                    #expect(line.first == "2" && line.contains("Z "), "\(line)")
                }
            }
        }
    }
}
