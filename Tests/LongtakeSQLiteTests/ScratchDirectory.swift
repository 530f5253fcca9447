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

    /// On a file system of its own.
    init(on disk: SmallDisk, name: String = "data") { path = disk.path + "/" + name }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var database: String { path + "/longtake.db" }

    /// - Parameter lockWait: the child process of another test has the lock file open until it runs
    ///   its program.
    func open(
        _ clock: any WallClock = ManualClock(), lockWait: Duration = .seconds(1),
        cancelPatience: Duration = .seconds(5), queuedJobsPerTenant: Int = Limits.queuedJobsPerTenantDefault,
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        onFatal: @escaping @Sendable (String) -> Void = { Issue.fatal($0) }
    ) async throws -> SQLiteJournal {
        try await SQLiteJournal.open(
            directory: path, clock: clock, logger: logger,
            configuration: SQLiteConfiguration(
                readers: 2, lockWait: lockWait, cancelPatience: cancelPatience, queuedJobsPerTenant: queuedJobsPerTenant
            ),
            onFatal: onFatal)
    }

    /// The files that a crash would leave: a copy under a new name.
    func copy() throws -> ScratchDirectory {
        let copy = ScratchDirectory()
        try FileManager.default.copyItem(atPath: path, toPath: copy.path)
        return copy
    }

    /// Every file with its bytes.
    func contents() throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: path)
        return Dictionary(
            uniqueKeysWithValues: try names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: path + "/" + $0))) })
    }
}
