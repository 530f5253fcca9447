import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

@Suite struct UndumpableTests {
    private static let asNobody = ["/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "--"]

    @Test(
        "the memory and the environment of the daemon are hidden from other processes of its user",
        .enabled(if: geteuid() == 0))
    func hidden() async throws {
        try await onOwnThread {
            let directory = try DaemonProcess.temporaryDirectory()
            defer { DaemonProcess.remove(directory) }
            try #require(mkdir(directory + "/data", 0o700) == 0)
            try #require(chown(directory + "/data", 65534, 65534) == 0 && chmod(directory, 0o755) == 0)
            let daemon = try DaemonProcess(directory: directory, wrapper: Self.asNobody)
            #expect(try Self.canRead("/proc/\(daemon.pid)/status"))
            #expect(try !Self.canRead("/proc/\(daemon.pid)/environ"))
            #expect(
                try daemon.get("/metrics").body.contains("process_resident_memory_bytes"),
                "it still reads its own files")
            #expect(daemon.stop() == 0)
        }
    }

    /// Whether another process of the daemon's user can read a file.
    private static func canRead(_ path: String) throws -> Bool {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for descriptor in CInt(0)...2 { posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0) }
        let pid = try DaemonProcess.spawn(path: asNobody[0], asNobody + ["/bin/cat", path], [], &actions)
        var status: CInt = 0
        try #require(waitpid(pid, &status, 0) == pid)
        return status == 0
    }
}
