import FoundationEssentials
import Glibc

/// A file system of a few megabytes, which tests can fill safely. Mounting it needs root.
package final class SmallDisk: Sendable {
    /// The kind of file system.
    package enum Kind: String, CaseIterable, Sendable {
        case tmpfs
        /// ext4 in a file: it has a journal and delayed allocation.
        case ext4

        /// The kinds that this machine can mount.
        package static let available = allCases.filter { (try? SmallDisk($0, megabytes: 8)) != nil }
    }

    /// The mount point.
    package let path: String
    private let image: String
    private let ownsPath: Bool

    package struct CannotMount: Error { let kind: Kind }

    /// Mounts it. Deinitialising this value unmounts it.
    /// - Parameter path: an empty directory; `nil` for a temporary one.
    package init(_ kind: Kind, megabytes: Int, at path: String? = nil) throws {
        self.path = try path ?? DaemonProcess.temporaryDirectory()
        ownsPath = path == nil
        image = self.path + ".image"
        let commands =
            switch kind {
            case .tmpfs: [["mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", self.path]]
            case .ext4:
                [
                    ["truncate", "-s", "\(megabytes)M", image],
                    // No blocks are reserved for root, which may run the tests. The block size is a
                    // page, as on today's disks. The default for such a small file system is 1 KiB,
                    // with which SQLite's mapped shared memory may find no space.
                    ["mkfs.ext4", "-q", "-m", "0", "-b", "4096", image],
                    ["mount", "-o", "loop", image, self.path],
                ]
            }
        for command in commands where try !Self.run(command) {
            clear()
            throw CannotMount(kind: kind)
        }
    }

    deinit {
        // Lazily, because a process that was just killed may still use it.
        _ = try? Self.run(["umount", "-l", path])
        clear()
    }

    private func clear() {
        unlink(image)
        if ownsPath { DaemonProcess.remove(path) }
    }

    /// Fills the remaining space.
    package func fill() {
        let descriptor = open(path + "/ballast", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let page = [UInt8](repeating: 7, count: 4096)
        while write(descriptor, page, page.count) > 0 {}
    }

    /// The number of free bytes.
    package var free: Int {
        var information = statvfs()
        return statvfs(path, &information) == 0 ? Int(information.f_bavail * information.f_frsize) : 0
    }

    /// Frees filled space until this much is free.
    package func leave(_ bytes: Int) {
        var information = stat()
        guard stat(path + "/ballast", &information) == 0, free < bytes else { return }
        truncate(path + "/ballast", max(0, information.st_size - off_t(bytes - free)))
    }

    package func makeRoom() { unlink(path + "/ballast") }

    private static func run(_ command: [String]) throws -> Bool {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        let pid = try DaemonProcess.spawn(path: "/usr/bin/env", ["env"] + command, [], &actions)
        var status: CInt = 0
        return waitpid(pid, &status, 0) == pid && status == 0
    }
}
