import FoundationEssentials
import GRDB
import Glibc
import Logging
import LongtakeCore
import LongtakeStorage

/// A file of a few megabytes beside the database. It is truncated when the disk is full, so that
/// the commands that end work can still be written.
///
/// Its blocks are allocated, because a sparse file would reserve nothing. Only one thread uses it
/// at a time: first the one that opens the storage, then the writer.
final class ReserveFile {
    private let path: String
    private let bytes: Int64
    /// Whether the file has its blocks.
    private(set) var isAllocated = false

    init(directory: String, bytes: Int64 = SQLiteLimits.reserveBytes) {
        path = directory + "/longtake.reserve"
        self.bytes = bytes
    }

    /// Allocates the blocks. Does nothing if the file has them.
    /// - Parameter sparing: bytes that must be free besides, so that the disk is not full again at
    ///   once.
    /// - Throws: the failed system call. The cause need not be a full disk.
    func allocate(sparing: Int64 = 0) throws(SyncedFile.Failure) {
        if isAllocated { return }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SyncedFile.Failure(path) }
        defer { close(descriptor) }
        // Only an allocation also tests the quota.
        var code = posix_fallocate(descriptor, 0, off_t(bytes + sparing))
        if code == 0, ftruncate(descriptor, off_t(bytes)) != 0 { code = errno }
        isAllocated = code == 0
        guard !isAllocated else { return }
        ftruncate(descriptor, 0)
        throw SyncedFile.Failure(path, code)
    }

    /// Frees the blocks for the next write.
    /// - Returns: whether there were any.
    func release() -> Bool {
        isAllocated = false
        var information = stat()
        guard stat(path, &information) == 0, information.st_blocks > 0 else { return false }
        return truncate(path, 0) == 0
    }
}

/// Releases and restores the reserve, and logs both. Used on the writer's queue only.
final class DiskReserve {
    private let file: ReserveFile
    private let logger: Logger

    static let retryMilliseconds = Int(StorageLimits.spaceCheckInterval / .milliseconds(1))

    init(_ file: ReserveFile, logger: Logger) {
        self.file = file
        self.logger = logger
    }

    /// Frees the reserve for commands that end work.
    /// - Parameters:
    ///   - reason: why the storage cannot be written.
    ///   - isNew: whether to log the reason.
    func release(because reason: String, isNew: Bool) {
        let freed = file.release()
        guard isNew else { return }
        if reason == TransactionFailure.diskFull {
            logger.error(
                "the disk is full; new jobs are rejected until it has free space",
                metadata: ["reserve_freed": "\(freed)"])
        } else {
            logger.error(
                "the storage cannot be written; new jobs are rejected until it can", metadata: ["error": "\(reason)"])
        }
    }

    /// Allocates the reserve at startup.
    /// - Returns: why it cannot.
    func allocate() -> String? { allocate(sparing: 0) }

    /// Allocates the reserve again if the disk has room for it, and for as much besides.
    /// - Returns: why it cannot.
    func restore() -> String? { allocate(sparing: SQLiteLimits.reserveBytes) }

    func logRestored() { logger.notice("the disk has free space again") }

    private func allocate(sparing bytes: Int64) -> String? {
        do {
            try file.allocate(sparing: bytes)
            return nil
        } catch {
            return [ENOSPC, EDQUOT].contains(error.code)
                ? TransactionFailure.diskFull : "longtake.reserve: \(error.reason)"
        }
    }
}
