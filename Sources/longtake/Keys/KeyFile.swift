import FoundationEssentials
import Glibc
import LongtakeCore
import LongtakeHTTP
import LongtakeSQLite

/// The key file. It contains hashes of the API keys and the secrets for signing tickets, so only
/// its owner may read it.
///
/// Each change replaces the whole file, so a reader sees it either before or after the change. A
/// lock file serializes changes.
struct KeyFile {
    let path: String

    /// The content of the file.
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

    /// How long a change waits for the lock.
    private static let lockTimeout = Duration.seconds(5)

    /// Reads the file. If it does not exist, the content is empty.
    /// - Throws: ``Failure`` if the file exists but cannot be read or is invalid.
    func read() throws -> Content {
        var status = stat()
        // Only ENOENT means that the file does not exist. Behind a directory that may not be
        // entered it may exist.
        guard lstat(path, &status) == 0 || errno != ENOENT else { return Content() }
        let bytes: [UInt8]
        do {
            bytes = try ReadableFile.read(path)
        } catch {
            throw Failure(description: "\(error). Make it readable for the daemon's user only.")
        }
        do {
            return try JSONText.decode(Content.self, fromUTF8: Data(bytes))
        } catch {
            throw Failure(description: "\(path) is not a valid key file: \("\(error)".onOneLine)")
        }
    }

    /// Whether users other than the owner may access it.
    var isOpenToOthers: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & 0o077 != 0
    }

    /// Changes the content. Returns when the change is on the disk.
    /// - Throws: ``Failure`` if the file cannot be read, locked or written, or the error of
    ///   `change`.
    func update<Value>(_ change: (inout Content) throws -> Value) throws -> Value {
        let lock = try takeLock()
        defer { close(lock) }
        var content = try read()
        let value = try change(&content)
        let new = path + ".new"
        do {
            // A change that was interrupted may have left this file behind.
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
        let deadline = ContinuousClock.now + Self.lockTimeout
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard .now < deadline else {
                close(descriptor)
                throw Failure(description: "another program is changing the keys and has locked \(name). Try again.")
            }
            poll(nil, 0, 10)
        }
        return descriptor
    }

    /// The owner of the directory. If root changes the keys, the daemon's user must be able to read
    /// them.
    private var owner: FileOwner? { FileOwner(ofDirectory: SyncedFile.directory(of: path)) }
}

extension KeyFile.Content {
    /// Adds a secret for signing tickets, and removes the secrets whose tickets have all expired.
    mutating func rotate(at time: Timestamp, keepingOld: Bool) {
        let longest = Duration.seconds(HTTPLimits.ticketSeconds.upperBound)
        let sorted = signingKeys.sorted { $0.createdAt < $1.createdAt }
        // The newest secret signs. So the new one must be the newest even if the clock was set
        // back.
        let createdAt = sorted.last.map { max(time, $0.createdAt.advanced(by: .milliseconds(1))) } ?? time
        // A secret signed tickets until the next one was created. They are valid for at most
        // `longest` after that.
        let kept = zip(sorted, sorted.dropFirst().map(\.createdAt) + [createdAt]).filter {
            time < $1.advanced(by: longest)
        }
        signingKeys = keepingOld ? kept.map(\.0) : []
        signingKeys.append(SigningKey(at: createdAt, random: Self.random))
    }

    static func random() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
