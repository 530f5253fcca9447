import Logging
import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Testing

@testable import LongtakeHTTP

@Suite("metrics") struct MetricsTests {
    private static func reading(
        version: String = "test", queues: [QueueStatus]?, workers: [QueueName: Int] = [:]
    ) -> MetricsReading {
        MetricsReading(
            version: version, isOpen: false, connections: 0, streams: 0, requests: [:], commits: .init(),
            workers: workers, queues: queues, process: ProcessUsage())
    }

    // Seen to fail with quotation marks that stood as they were.
    @Test("whatever stands in a label, the line ends where it should")
    func escaping() throws {
        let text = Self.reading(version: "1\"2\\3\n4\r\n5", queues: []).text
        #expect(text.contains(#"longtake_build_info{version="1\"2\\3\n4"# + "\r" + #"\n5"} 1"# + "\n"))
        #expect(try Exposition(text)["longtake_build_info{version=\"1\"2\\3\n4\r\n5\"}"] == 1)
    }

    @Test("help is a line too, and numbers are as Prometheus reads them")
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

    // Seen to fail where queues that could not be read were told as empty.
    @Test("what is not known is not told")
    func unknown() throws {
        let queue = QueueName(unchecked: "cpu")
        let known = try Exposition(Self.reading(queues: [], workers: [queue: 2]).text)
        #expect(known[#"longtake_queue_waiting{queue="cpu"}"#] == 0)
        let unknown = try Exposition(Self.reading(queues: nil, workers: [queue: 2]).text)
        #expect(unknown[#"longtake_queue_workers{queue="cpu"}"#] == 2)
        #expect(unknown.kinds.keys.filter { $0.hasPrefix("longtake_queue_") } == ["longtake_queue_workers"])
        #expect(!unknown.kinds.keys.contains { $0.hasPrefix("process_") })
    }

    // Seen to fail where it was 1 always.
    @Test("a stop shows from its beginning")
    func stop() async throws {
        let clock = ManualClock()
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from:
                #"{"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}"#
        )
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(
                addresses: [.tcp(host: "127.0.0.1", port: 0)], version: "test", uptime: { .zero }, random: { 7 }),
            journal: MemoryJournal(clock: clock), backups: NoBackups(), catalog: catalog, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
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
