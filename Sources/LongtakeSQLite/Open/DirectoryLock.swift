import FoundationEssentials
import Glibc

/// Prevents a second daemon from using the directory while this value exists.
///
/// It has its own lock file, because SQLite releases its locks between transactions. The file is
/// never unlinked: another process could lock a new file with the same name. The kernel releases
/// the lock when the process ends, for whatever reason.
///
/// The text of the file tells the next process after a crash if the database was open.
final class DirectoryLock: Sendable {
    enum Note: String {
        case open = "open  \n"
        case closed = "closed\n"
        /// The WAL was found to be missing, and no new epoch is stored yet.
        case walMissing = "robbed\n"
    }

    private let descriptor: Int32

    /// The note of the previous process; `nil` if the file is empty.
    var note: Note? {
        var bytes = [UInt8](repeating: 0, count: 7)
        guard pread(descriptor, &bytes, bytes.count, 0) == bytes.count else { return nil }
        return Note(rawValue: String(decoding: bytes, as: UTF8.self))
    }

    /// Makes the note durable. If a full disk rejects it, less can be detected after a crash.
    func leave(_ note: Note) {
        guard pwrite(descriptor, note.rawValue, 7, 0) == 7 else { return }
        fdatasync(descriptor)
    }

    /// Blocks the thread for up to `wait`.
    /// - Parameters:
    ///   - owner: the new owner of the file; `nil` keeps its owner.
    ///   - whenHeld: called once before waiting, if another process has the lock.
    init(
        directory: String, wait: Duration, for owner: FileOwner? = nil, whenHeld: () -> Void = {}
    ) throws(StorageRefusal) {
        do {
            descriptor = try SyncedFile.openLock(directory + "/longtake.lock", for: owner)
        } catch {
            throw StorageRefusal("cannot open \(error). Give the daemon a directory that it may write to.")
        }
        guard Self.acquire(descriptor, within: wait, whenHeld) else {
            throw StorageRefusal(
                "another daemon uses \(directory) (it holds longtake.lock). Stop it, or give this one a directory of its own."
            )
        }
    }

    /// For a program that only reads: it creates no file. If there is no lock file, no daemon uses
    /// the directory.
    init(toReadFrom directory: String, wait: Duration) throws(StorageRefusal) {
        let path = directory + "/longtake.lock"
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 {
            guard errno != ENOTDIR else {
                throw StorageRefusal("\(directory) is not a directory. Name the directory of a database.")
            }
            guard errno == ENOENT else {
                throw StorageRefusal(
                    "cannot open \(path): \(String(cString: strerror(errno))). Run this as the user of the daemon.")
            }
            return
        }
        guard Self.acquire(descriptor, within: wait) else {
            throw StorageRefusal(
                "a daemon uses \(directory) (it holds longtake.lock). Stop it first, or check one of its backups.")
        }
    }

    private static func acquire(_ descriptor: CInt, within wait: Duration, _ whenHeld: () -> Void = {}) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        whenHeld()
        let deadline = ContinuousClock.now + wait
        repeat {
            guard ContinuousClock.now < deadline else { return false }
            // `flock` has no timeout (flock(2)). This is not a thread of the cooperative pool.
            usleep(20_000)
        } while flock(descriptor, LOCK_EX | LOCK_NB) != 0
        return true
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
