import FoundationEssentials
import Glibc
import LongtakeCore
import LongtakeHTTP
import LongtakeSQLite

/// The file of the keys: API keys without their secrets, and what tickets are signed with. Only its owner may read it.
///
/// It is replaced as a whole, so that whoever reads it sees it before or after a change; and those who change it wait for each other.
struct KeyFile {
    let path: String

    /// What is in it.
    struct Content: Codable, Hashable {
        var keys: [KeyRecord] = []
        var signingKeys: [SigningKey] = []

        private enum CodingKeys: String, CodingKey {
            case keys
            case signingKeys = "signing_keys"
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private static let patience = Duration.seconds(5)

    /// What is in the file; nothing where there is none.
    /// - Throws: ``Failure`` for a file that is there and cannot be read, or is none of ours.
    func read() throws -> Content {
        var status = stat()
        // Only a file that is not there is none. One behind a directory that may not be entered is one that cannot be read.
        guard lstat(path, &status) == 0 || errno != ENOENT else { return Content() }
        let bytes: [UInt8]
        do {
            bytes = try ReadableFile.read(path)
        } catch {
            throw Failure(description: "\(error). Make it readable for the user of the daemon and for nobody else.")
        }
        do {
            return try JSONText.decode(Content.self, fromUTF8: Data(bytes))
        } catch {
            throw Failure(description: "\(path): is no file of keys: \("\(error)".onOneLine)")
        }
    }

    /// Whether others than its owner may read it.
    var isOpenToOthers: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & 0o077 != 0
    }

    /// Changes what is in the file, and returns when that is on the disk.
    func update<Value>(_ change: (inout Content) throws -> Value) throws -> Value {
        let lock = try takeLock()
        defer { close(lock) }
        var content = try read()
        let value = try change(&content)
        let new = path + ".new"
        do {
            // What an earlier change left behind that was cut off.
            unlink(new)
            try SyncedFile.make(new, holding: Array(try JSONText.data(content)) + [0x0a], for: owner)
            try SyncedFile.rename(new, to: path)
        } catch let failure as SyncedFile.Failure {
            throw Failure(description: "\(failure)")
        }
        return value
    }

    private func takeLock() throws -> CInt {
        let name = path + ".lock"
        let descriptor: CInt
        do {
            descriptor = try SyncedFile.openLock(name, for: owner)
        } catch {
            throw Failure(description: "\(error)")
        }
        let deadline = ContinuousClock.now + Self.patience
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard .now < deadline else {
                close(descriptor)
                throw Failure(description: "\(name): another program changes the keys")
            }
            poll(nil, 0, 10)
        }
        return descriptor
    }

    /// Root makes keys for the daemon's user, whose the directory is.
    private var owner: FileOwner? { FileOwner(ofDirectory: SyncedFile.directory(of: path)) }
}

extension KeyFile.Content {
    /// Adds a key for signing and lets go of those that no valid ticket can have been signed with any more.
    mutating func rotate(at time: Timestamp, keepingOld: Bool) {
        let longest = Duration.seconds(Limits.ticketSeconds.upperBound)
        let sorted = signingKeys.sorted { $0.createdAt < $1.createdAt }
        // The newest signs, so the new one is that also where the clock was set back since the last was made.
        let made = sorted.last.map { max(time, $0.createdAt.advanced(by: .milliseconds(1))) } ?? time
        // One signed until the next was made; tickets of that time are good for so long.
        let kept = zip(sorted, sorted.dropFirst().map(\.createdAt) + [made]).filter { time < $1.advanced(by: longest) }
        signingKeys = keepingOld ? kept.map(\.0) : []
        signingKeys.append(SigningKey(at: made, random: Self.random))
    }

    static func random() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
