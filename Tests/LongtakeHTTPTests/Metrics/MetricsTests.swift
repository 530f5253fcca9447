import LongtakeCore
import LongtakeDaemonDriver
import Testing

@testable import LongtakeHTTP

@Suite("metrics") struct MetricsTests {
    private static func snapshot(
        version: String = "test", queues: [QueueStatus]?, workers: [QueueName: Int] = [:]
    ) -> MetricsSnapshot {
        MetricsSnapshot(
            version: version, isOpen: false, connections: 0, streams: 0, requests: [:], commits: .init(),
            workers: workers, queues: queues, process: ProcessUsage())
    }

    // Fails if quotation marks are not escaped.
    @Test("escapes every character of a label that would end the value or the line")
    func escaping() throws {
        let text = Self.snapshot(version: "1\"2\\3\n4\r\n5", queues: []).text
        #expect(text.contains(#"longtake_build_info{version="1\"2\\3\n4"# + "\r" + #"\n5"} 1"# + "\n"))
        #expect(try Exposition(text)["longtake_build_info{version=\"1\"2\\3\n4\r\n5\"}"] == 1)
    }

    @Test("escapes help texts and formats numbers for Prometheus")
    func numbers() {
        var text = ""
        MetricFamily(
            "a", .gauge, "A \"b\"\\\nc",
            samples: [0, -3, 0.25, 1e9, 1e300, .infinity, -.infinity, .nan].enumerated().map {
                .init(labels: [("n", String($0.offset))], value: $0.element)
            }
        ).write(into: &text)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.prefix(2) == [#"# HELP a A "b"\\\nc"#, "# TYPE a gauge"])
        let values = lines.dropFirst(2).compactMap { $0.split(separator: " ").last.map(String.init) }
        #expect(values == ["0", "-3", "0.25", "1000000000", "1e+300", "+Inf", "-Inf", "NaN"])
    }

    // Fails if unreadable queues are reported as empty.
    @Test("omits metrics whose value is unknown")
    func unknown() throws {
        let queue = QueueName(unchecked: "cpu")
        let known = try Exposition(Self.snapshot(queues: [], workers: [queue: 2]).text)
        #expect(known[#"longtake_queue_waiting{queue="cpu"}"#] == 0)
        let unknown = try Exposition(Self.snapshot(queues: nil, workers: [queue: 2]).text)
        #expect(unknown[#"longtake_queue_workers{queue="cpu"}"#] == 2)
        #expect(unknown.kinds.keys.filter { $0.hasPrefix("longtake_queue_") } == ["longtake_queue_workers"])
        #expect(!unknown.kinds.keys.contains { $0.hasPrefix("process_") })
    }

    // Fails if the value is always 1.
    @Test("reports longtake_ready as 0 from the start of the shutdown")
    func stop() async throws {
        let server = try HTTPServer.forTests()
        let address = try await server.start()
        let port = try #require(address.first?.split(separator: ":").last.flatMap { Int($0) })
        func isReady() async throws -> Double? {
            try await onOwnThread {
                let answer = try Socket(port: port).exchange("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return try Exposition(answer.body)["longtake_ready"]
            }
        }
        #expect(try await isReady() == 1)
        server.beginDrain()
        #expect(try await isReady() == 0)
        await server.stop()
    }
}
