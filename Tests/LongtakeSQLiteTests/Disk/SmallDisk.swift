import Foundation

/// A file system of a few megabytes in memory, which the test removes at its end. Mounting it needs
/// root.
final class SmallDisk: Sendable {
    let path: String

    struct CannotMount: Error {}

    init(megabytes: Int) throws {
        path = NSTemporaryDirectory() + "longtake-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard Self.run(["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", path]) else {
            try? FileManager.default.removeItem(atPath: path)
            throw CannotMount()
        }
    }

    deinit {
        _ = Self.run(["umount", "-l", path])
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Whether this machine allows mounts.
    static let isAvailable: Bool = (try? SmallDisk(megabytes: 1)) != nil

    /// Uses up all free space.
    func fill() throws {
        let descriptor = open(path + "/ballast", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let page = [UInt8](repeating: 7, count: 4096)
        while write(descriptor, page, page.count) > 0 {}
    }

    func makeRoom() throws { try FileManager.default.removeItem(atPath: path + "/ballast") }

    func remountReadOnly() -> Bool { Self.run(["mount", "-o", "remount,ro", path]) }

    private static func run(_ command: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }
}
