import Foundation

/// A file system of a few megabytes in memory, which the test removes at its end. Mounting it needs
/// root.
///
/// The calls of mount(2) need no other program. Foundation's `Process` reads up to 256 bytes beyond
/// the buffer of readdir(3) when it lists the open files (Swift 6.3 on Linux, found by
/// AddressSanitizer), and rarely that ends the process with a segmentation fault.
final class SmallDisk: Sendable {
    let path: String

    struct CannotMount: Error {}

    init(megabytes: Int) throws {
        path = NSTemporaryDirectory() + "longtake-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else {
            try? FileManager.default.removeItem(atPath: path)
            throw CannotMount()
        }
    }

    deinit {
        umount2(path, CInt(MNT_DETACH))
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

    func remountReadOnly() -> Bool { mount(nil, path, nil, UInt(MS_REMOUNT) | UInt(MS_RDONLY), nil) == 0 }
}
