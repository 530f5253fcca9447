import Foundation
import Logging
import LongtakeCore
import LongtakeSQLite
import LongtakeTesting
import Testing

/// A directory that the test removes at its end.
final class ScratchDirectory: Sendable {
    let path: String

    init() { path = NSTemporaryDirectory() + "longtake-test-" + UUID().uuidString }

    /// A directory on a separate file system.
    init(on disk: SmallDisk, name: String = "data") { path = disk.path + "/" + name }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var database: String { path + "/longtake.db" }

    /// - Parameter lockWait: the time to wait for the lock. The child process of another test keeps
    ///   the lock file open until it runs its program.
    func open(
        _ clock: any WallClock = ManualClock(), lockWait: Duration = .seconds(1),
        cancelPatience: Duration = .seconds(5), queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault,
        workers: [QueueName: Int]? = nil,
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        onFatal: @escaping @Sendable (String) -> Void = { Issue.fatal($0) }
    ) async throws -> SQLiteJournal {
        try await SQLiteJournal.open(
            directory: path, clock: clock, logger: logger,
            configuration: SQLiteConfiguration(
                readers: 2, lockWait: lockWait, cancelPatience: cancelPatience,
                queuedJobsPerTenant: queuedJobsPerTenant,
                workers: workers),
            onFatal: onFatal)
    }

    /// Copies the files to a new directory. The copy is what a crash would leave.
    func copy() throws -> ScratchDirectory {
        let copy = ScratchDirectory()
        try FileManager.default.copyItem(atPath: path, toPath: copy.path)
        return copy
    }

    /// Maps the name of every file to its bytes.
    func contents() throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        return Dictionary(
            uniqueKeysWithValues: try names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: path + "/" + $0))) })
    }
}
