public import LongtakeCore
import Synchronization

/// Backups without files, each of which is complete at once.
public final class MemoryBackups: Backups {
    private let clock: any WallClock
    private let state = Mutex<[Backup]>([])

    public init(clock: any WallClock) { self.clock = clock }

    public func begin(includingFiles: Bool) async throws -> Backup {
        let time = clock.now()
        return state.withLock { backups in
            // Two backups within one millisecond would have the same id.
            let next = backups.first.map { max(time, $0.startedAt.advanced(by: .milliseconds(1))) } ?? time
            let backup = Backup(
                id: BackupID(at: next), state: .done, path: "/dev/null.db", includesFiles: includingFiles, bytes: 0,
                finishedAt: next)
            backups.insert(backup, at: 0)
            return backup
        }
    }

    public func backup(_ id: BackupID) async -> Backup? { state.withLock { $0.first { $0.id == id } } }

    public func backups() async -> [Backup] { state.withLock { $0 } }
}
