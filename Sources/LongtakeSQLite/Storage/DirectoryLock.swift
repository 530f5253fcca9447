import FoundationEssentials
import Glibc

/// Keeps a second daemon off the directory for as long as this value lives.
///
/// A lock file of its own, since SQLite's locks are let go between transactions. It is never unlinked: a new file of the same name
/// could be locked by somebody else. The kernel lets the lock go with the process, however that ends.
///
/// Its text says whether whoever has it has the database open, for the next one to read after a crash.
final class DirectoryLock: Sendable {
    enum Note: String {
        case open = "open  \n"
        case closed = "closed\n"
        /// Its log was found to be gone, and what follows from that is not done yet.
        case robbed = "robbed\n"
    }

    private let descriptor: Int32

    /// What the one before has left here, read at this moment; `nil` of a file that has no text.
    var note: Note? {
        var bytes = [UInt8](repeating: 0, count: 7)
        guard pread(descriptor, &bytes, bytes.count, 0) == bytes.count else { return nil }
        return Note(rawValue: String(decoding: bytes, as: UTF8.self))
    }

    /// Makes it last. Where it cannot be written, on a full disk, less is noticed after a crash.
    func leave(_ note: Note) {
        guard pwrite(descriptor, note.rawValue, 7, 0) == 7 else { return }
        fdatasync(descriptor)
    }

    /// Blocks the thread for up to `wait`.
    /// - Parameters:
    ///   - owner: to whom the file is given; where there is none it stays whose it is.
    ///   - whenHeld: called once where somebody else has it, before the wait.
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

    /// For a program that only reads: makes no file. Where there is no lock file, no daemon has the directory.
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
                "a daemon uses \(directory) (it holds longtake.lock). Stop it first, or look at a backup of it.")
        }
    }

    private static func acquire(_ descriptor: CInt, within wait: Duration, _ whenHeld: () -> Void = {}) -> Bool {
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        whenHeld()
        let deadline = ContinuousClock.now + wait
        repeat {
            guard ContinuousClock.now < deadline else { return false }
            usleep(20_000)
        } while flock(descriptor, LOCK_EX | LOCK_NB) != 0
        return true
    }

    deinit {
        if descriptor >= 0 { Glibc.close(descriptor) }
    }
}
