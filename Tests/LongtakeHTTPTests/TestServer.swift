import Logging
import LongtakeCore
import LongtakeTesting

@testable import LongtakeHTTP

extension HTTPServer {
    /// A server on a free port of 127.0.0.1, with one pipeline and without backups.
    /// - Parameter journal: `nil` for an empty journal in memory.
    static func forTests(journal: (any Journal)? = nil, clock: ManualClock = ManualClock()) throws -> HTTPServer {
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from:
                #"{"default":"p","pipelines":{"p":{"description":"d","input":{},"stages":[{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}"#
        )
        return HTTPServer(
            configuration: HTTPServerConfiguration(
                addresses: [.tcp(host: "127.0.0.1", port: 0)], version: "test", uptime: { .zero }, random: { 7 }),
            journal: journal ?? MemoryJournal(clock: clock), backups: NoBackups(), catalog: catalog, clock: clock,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

/// A daemon that makes no backups.
struct NoBackups: Backups {
    struct Failed: Error {}

    func begin(includingFiles: Bool) async throws -> Backup { throw Failed() }
    func backup(_ id: BackupID) async -> Backup? { nil }
    func backups() async -> [Backup] { [] }
}
