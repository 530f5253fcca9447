import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// The permissions of the files in the data directory.
@Suite(.serialized) struct FileModeTests {
    private static func modes(_ directory: String) throws -> [String: mode_t] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: directory)
        return Dictionary(
            uniqueKeysWithValues: names.compactMap { name in
                FileStatus("\(directory)/\(name)").map { (name, $0.mode & (S_IFMT | 0o777)) }
            })
    }

    // Before the fix, longtake.db, its -wal and its -shm had the mode 0644.
    @Test("only the owner may access the data directory, including files that an older version left readable")
    func all() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess("--speed", "400", wrapper: ["/bin/sh", "-c", "umask 0; exec \"$0\" \"$@\""])
            let data = daemon.directory + "/data"
            _ = try daemon.submit()
            let answer = try daemon.connect().exchange(
                "POST /v1/backups HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            #expect(answer.status == 202)
            let deadline = Deadline(20)
            while try Self.modes(data).keys.allSatisfy({ !$0.hasSuffix("Z.db") }), !deadline.isOver { poll(nil, 0, 5) }
            func check() throws {
                for (name, mode) in try Self.modes(data) {
                    #expect(mode == (mode & S_IFMT == S_IFDIR ? S_IFDIR | 0o700 : S_IFREG | 0o600), "\(name)")
                }
            }
            let names = [
                "longtake.db", "longtake.db-wal", "longtake.db-shm", "longtake.lock", "longtake.reserve", "keys.json",
            ]
            #expect(try Set(names).isSubset(of: Self.modes(data).keys))
            try check()
            daemon.kill()
            let left = ["longtake.db", "longtake.db-wal", "longtake.db-shm", "longtake.lock", "longtake.reserve"]
            for name in left { try #require(chmod("\(data)/\(name)", 0o644) == 0, "\(name)") }
            try daemon.start()
            try check()
            #expect(daemon.stop() == 0)
        }
    }
}
