import FoundationEssentials
import Glibc

/// A file system of a few megabytes, to be filled without harm. Mounting one takes root.
package final class SmallDisk: Sendable {
    /// What is mounted.
    package enum Kind: String, CaseIterable, Sendable {
        case tmpfs
        /// In a file: a journal, and blocks that are allocated some time after they were written.
        case ext4

        /// Those that this machine lets us mount.
        package static let available = allCases.filter { (try? SmallDisk($0, megabytes: 8)) != nil }
    }

    /// Where it is mounted.
    package let path: String
    private let image: String
    private let ownsPath: Bool

    package struct CannotMount: Error { let kind: Kind }

    /// Mounts it, until this value goes.
    /// - Parameter path: an empty directory; one of its own where there is none.
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
                    // Nothing is kept for root, which the tests may be. Blocks of a page, as any disk of today has: with those of 1 KiB, which is
                    // what so small a file system gets by itself, SQLite's shared memory may find no room under what it has mapped.
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
        // Lazily: a process that has just been killed may hold it for a moment.
        _ = try? Self.run(["umount", "-l", path])
        clear()
    }

    private func clear() {
        unlink(image)
        if ownsPath { DaemonProcess.remove(path) }
    }

    /// Takes all room that is left.
    package func fill() {
        let descriptor = open(path + "/ballast", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let page = [UInt8](repeating: 7, count: 4096)
        while write(descriptor, page, page.count) > 0 {}
    }

    /// Bytes that are free.
    package var free: Int {
        var information = statvfs()
        return statvfs(path, &information) == 0 ? Int(information.f_bavail * information.f_frsize) : 0
    }

    /// Gives back of what was taken, until so much is free.
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
