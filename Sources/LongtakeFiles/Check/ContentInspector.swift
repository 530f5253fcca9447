import Crypto
public import LongtakeCore

/// Compares the content of a store with the rows that refer to it, for `longtake check --data`. It
/// blocks its thread, and reads only. No daemon may use the store meanwhile.
public struct ContentInspector: Sendable {
    private let directory: String
    private let isDeep: Bool
    private let progress: @Sendable (Double) -> Void

    /// - Parameters:
    ///   - directory: the directory of the store. It may be missing.
    ///   - isDeep: whether all content is read and hashed.
    ///   - progress: called from time to time with the hashed fraction, from 0 to 1.
    public init(directory: String, isDeep: Bool, progress: @escaping @Sendable (Double) -> Void = { _ in }) {
        self.directory = directory
        self.isDeep = isDeep
        self.progress = progress
    }

    /// - Throws: ``FileStoreError`` if a directory cannot be read, or the error of the rows.
    public func inspect(_ rows: any ContentRows) throws -> ContentInspection {
        var found = ContentInspection(isDeep: isDeep)
        let stored = try ContentDirectories.existing(directory)
        try rows.visit { key, bytes in
            found.files += 1
            found.bytes += bytes
            switch try stored?.bytes(of: key) {
            case nil: found.add(.missing, key, "is missing")
            case let actual? where actual != bytes:
                found.add(.wrongSize, key, "has \(actual) bytes instead of \(bytes)")
            case _?: break
            }
        }
        try stored?.visit { key, bytes in
            guard try !rows.isUsed(key) else { return }
            found.orphans += 1
            found.orphanBytes += bytes
        }
        if isDeep, let stored { try hash(rows, in: stored, &found) }
        return found
    }

    private func hash(
        _ rows: any ContentRows, in stored: ContentDirectories, _ found: inout ContentInspection
    ) throws {
        let total = max(1, found.bytes)
        var done: Int64 = 0
        try rows.visit { key, bytes in
            defer { done += bytes }
            // Another size is reported already.
            guard let file = try stored.open(key), try file.bytes() == bytes else { return }
            do throws(FileStoreError) {
                let hash = try Self.hash(of: file) { progress(Double(done + $0) / Double(total)) }
                if hash != key.hash { found.add(.damaged, key, "has the hash \(hash)") }
            } catch {
                found.add(.damaged, key, "cannot be read: \(error)")
            }
        }
    }

    private static func hash(
        of file: Descriptor, _ progress: (Int64) -> Void
    ) throws(FileStoreError) -> ContentHash {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: FileCopy.bufferBytes, alignment: 16)
        defer { buffer.deallocate() }
        var hasher = SHA256()
        var offset: Int64 = 0
        while case let count = try file.read(into: buffer, at: offset), count > 0 {
            hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
            progress(offset)
        }
        return ContentHash(bytes: hasher.finalize())
    }
}

/// The result of a ``ContentInspector``. It needs the same memory for any number of files.
public struct ContentInspection: Hashable, Sendable, Encodable {
    /// What can be wrong with content that a row refers to.
    public enum Fault: String, Hashable, Sendable, CaseIterable, Encodable {
        case missing
        case wrongSize = "wrong_size"
        /// The bytes do not have their hash, or cannot be read. Only a deep inspection finds it.
        case damaged
    }

    /// Content with a fault.
    public struct Finding: Hashable, Sendable, Encodable {
        public let fault: Fault
        public let tenant: String
        public let sha256: String
        public let detail: String
    }

    /// Whether the content was hashed.
    public let isDeep: Bool
    /// The content that rows refer to.
    public internal(set) var files: Int64 = 0
    /// Its bytes, by the rows.
    public internal(set) var bytes: Int64 = 0
    /// Content without a row. It is no fault: the daemon removes it after its start.
    public internal(set) var orphans: Int64 = 0
    public internal(set) var orphanBytes: Int64 = 0
    /// The number of faults of each kind. Kinds without a fault are omitted.
    public internal(set) var counts: [String: Int] = [:]
    /// The first faults, at most ``findingsKept`` of each kind.
    public internal(set) var findings: [Finding] = []

    /// How many faults of one kind are listed. Further ones are only counted.
    public static let findingsKept = 100

    private enum CodingKeys: String, CodingKey {
        case files, bytes, orphans, counts, findings
        case isDeep = "deep"
        case orphanBytes = "orphan_bytes"
    }

    /// Whether everything that was checked is as it should be.
    public var isSound: Bool { counts.isEmpty }

    /// The number of all faults.
    public var faultCount: Int { counts.values.reduce(0, +) }

    mutating func add(_ fault: Fault, _ key: ContentKey, _ detail: String) {
        let count = counts[fault.rawValue, default: 0]
        counts[fault.rawValue] = count + 1
        guard count < Self.findingsKept else { return }
        findings.append(
            Finding(fault: fault, tenant: key.tenant.description, sha256: key.hash.hex, detail: detail))
    }
}
