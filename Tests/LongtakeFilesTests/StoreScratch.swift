import Foundation
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeFiles

/// A directory for a store, which the test removes at its end.
final class StoreScratch: Sendable {
    let path: String

    init(in parent: String = NSTemporaryDirectory()) throws {
        path = (parent.hasSuffix("/") ? parent : parent + "/") + "longtake-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open(
        probe: DiskProbe = DiskProbe(), whenReleased: @escaping @Sendable (ContentKey) -> Void = { _ in }
    ) async throws -> DirectoryFileStore {
        try await .open(directory: path + "/files", probe: probe, whenReleased: whenReleased)
    }

    /// The path of stored content.
    func path(of key: ContentKey) -> String {
        let name = (try? TenantDirectory.name(of: key.tenant)) ?? ""
        return path + "/files/tenants/\(name)/\(key.hash.hex.prefix(2))/\(key.hash.hex)"
    }

    /// The paths of all unfinished files.
    func drafts() throws -> [String] {
        let all = path + "/files/drafts"
        return try FileManager.default.contentsOfDirectory(atPath: all).flatMap { boot in
            try FileManager.default.contentsOfDirectory(atPath: all + "/" + boot)
        }
    }

    /// Writes a file outside the store.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }
}

/// Content for tests, with hashes that another program (Python's hashlib) has computed.
enum Contents {
    static let known: [Int: String] = [
        0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        4096: "470d1b89fc75293c6793ec18ae42d29a06e47c26fde262729975d35de66bc5b1",
        5 << 20: "3fd8036f9e526af2ca4a70cbe0783689020ea31c7f025eb88ecda4199c16c6e1",
    ]

    static func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + $0 >> 8) }
    }
}

let alice = TenantName(unchecked: "alice")

extension DirectoryFileStore {
    /// Stores bytes in pieces of 100,000.
    func put(_ bytes: [UInt8], for tenant: TenantName = alice) async throws -> any KeptContent {
        let draft = try await draft(for: tenant)
        for begin in stride(from: 0, to: bytes.count, by: 100_000) {
            try await draft.write(Array(bytes[begin..<min(begin + 100_000, bytes.count)]))
        }
        return try await draft.keep()
    }

    func key(_ kept: any KeptContent, of tenant: TenantName = alice) -> ContentKey {
        ContentKey(tenant: tenant, hash: kept.content.hash)
    }

    /// All bytes of stored content; `nil` if it does not exist.
    func bytes(_ key: ContentKey) async throws -> [UInt8]? {
        guard let (descriptor, bytes) = try await open(key) else { return nil }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        let data = try file.readToEnd() ?? Data()
        #expect(data.count == bytes)
        return [UInt8](data)
    }

    /// All stored content, sorted.
    func all() async throws -> [String] {
        var all: [String] = []
        for try await (key, bytes) in list() { all.append("\(key.tenant) \(key.hash.hex.prefix(8)) \(bytes)") }
        return all.sorted()
    }
}

/// Opens a file to read it, for the time of `body`.
func withFile<Value>(_ path: String, _ body: (Int32) async throws -> Value) async throws -> Value {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    return try await body(descriptor)
}

/// What stat(2) says about a file.
func information(_ path: String) throws -> stat {
    var information = stat()
    try #require(lstat(path, &information) == 0)
    return information
}
