import FoundationEssentials
import Glibc
import LongtakeCore

/// A file of a few megabytes beside the database that is given up when the disk is full, so that what ends work can still be written.
///
/// Its blocks are really allocated: a file with holes would reserve nothing. Used by one thread at a time: the one that opens the storage,
/// then the writer's.
final class Reserve {
    private let path: String
    private let bytes: Int64
    /// Whether its room is kept from everybody.
    private(set) var isKept = false

    init(directory: String, bytes: Int64 = Limits.reserveBytes) {
        path = directory + "/longtake.reserve"
        self.bytes = bytes
    }

    /// Keeps the room. Does nothing where it is kept already.
    /// - Parameter sparing: bytes that must be free besides, so that what was full a moment ago does not become so at once.
    /// - Throws: what is in the way, which need not be a full disk.
    func keep(sparing: Int64 = 0) throws(SyncedFile.Failure) {
        if isKept { return }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SyncedFile.Failure(path) }
        defer { close(descriptor) }
        // Asking for the room is the one test that knows of quotas, too.
        var code = posix_fallocate(descriptor, 0, off_t(bytes + sparing))
        if code == 0, ftruncate(descriptor, off_t(bytes)) != 0 { code = errno }
        isKept = code == 0
        guard !isKept else { return }
        ftruncate(descriptor, 0)
        throw SyncedFile.Failure(path, code)
    }

    /// Gives the room to whoever writes next.
    /// - Returns: whether there was any.
    func giveUp() -> Bool {
        isKept = false
        var information = stat()
        guard stat(path, &information) == 0, information.st_blocks > 0 else { return false }
        return truncate(path, 0) == 0
    }
}
