import LongtakeDaemonDriver
import Testing

/// What clients send, as the log repeats it.
@Suite(.serialized) struct LogInjectionTests {
    // Two things stand against it: the parser takes no such characters, and the log writes none. Either alone is enough, so this fails only
    // where both are gone.
    @Test("nothing that a client sends begins a line of the log, in either form", arguments: ["text", "json"])
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
