import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// `longtake check --data` compares stored files with their rows.
@Suite(.serialized) struct FileCheckTests {
    /// A stopped daemon with one artifact and one upload.
    private struct Stopped {
        let site: CommandSite
        let artifact: String
        let upload: String

        init() throws {
            site = try CommandSite()
            let daemon = try site.start()
            let job = try site.submit(daemon)
            try site.finished(job, daemon)
            artifact = try site.artifact(of: job, daemon).hash
            upload = String(try site.upload("0123456789", to: daemon).dropFirst("sha-256:".count))
            try #require(daemon.stop() == 0)
        }

        func check(_ flags: String...) throws -> (status: CInt, output: String, files: [String: Any]) {
            let (status, output) = try DaemonProcess.run(["check", "--data", site.data] + flags)
            let json = try JSON.object(try DaemonProcess.run(["check", "--data", site.data, "--json"] + flags).output)
            return (status, output, try #require(json["content"] as? [String: Any]))
        }
    }

    @Test("finds nothing wrong with what a daemon has stored, and counts it")
    func sound() async throws {
        try await onOwnThread {
            let stopped = try Stopped()
            for flags in [[], ["--deep"]] {
                let (status, output) = try DaemonProcess.run(["check", "--data", stopped.site.data] + flags)
                #expect(status == 0 && output.contains("No errors found in files."), "\(output)")
                #expect(output.contains(flags.isEmpty ? "not checked" : "none"), "\(output)")
            }
            let files = try stopped.check().files
            #expect(
                files["files"] as? Double == 2 && files["orphans"] as? Double == 0 && files["deep"] as? Bool == false)
            #expect(try DaemonProcess.run(["check", "--deep"]).status == 2)
        }
    }

    @Test("finds a missing file and one of another size")
    func missing() async throws {
        try await onOwnThread {
            let stopped = try Stopped()
            try #require(unlink(stopped.site.stored(stopped.artifact)) == 0)
            try #require(truncate(stopped.site.stored(stopped.upload), 9) == 0)
            let (status, output, files) = try stopped.check()
            #expect(status == 1)
            #expect(output.contains("sha-256:\(stopped.artifact) of tenant anonymous is missing"), "\(output)")
            #expect(
                output.contains("sha-256:\(stopped.upload) of tenant anonymous has 9 bytes instead of 10"), "\(output)")
            #expect(output.contains("2 errors found in files."))
            let counts = try #require(files["counts"] as? [String: Any])
            #expect(counts["missing"] as? Double == 1 && counts["wrong_size"] as? Double == 1)
        }
    }

    @Test("finds a changed byte only if it reads all files")
    func damaged() async throws {
        try await onOwnThread {
            let stopped = try Stopped()
            let path = stopped.site.stored(stopped.upload)
            try #require(chmod(path, 0o600) == 0)
            try "0123x56789".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(try stopped.check().status == 0)
            let deep = try stopped.check("--deep")
            #expect(deep.status == 1)
            #expect(
                deep.output.contains("sha-256:\(stopped.upload) of tenant anonymous has the hash"), "\(deep.output)")
            #expect((deep.files["counts"] as? [String: Any])?["damaged"] as? Double == 1)
        }
    }

    @Test("counts a file without a row, which is no error and is left alone")
    func orphan() async throws {
        try await onOwnThread {
            let stopped = try Stopped()
            let path = stopped.site.stored(stopped.artifact.prefix(2) + String(repeating: "0", count: 62))
            try "abc".write(toFile: path, atomically: false, encoding: .utf8)
            let (status, output, files) = try stopped.check("--deep")
            #expect(status == 0 && output.contains("orphans           1, 3 bytes"), "\(output)")
            #expect(files["orphans"] as? Double == 1 && files["orphan_bytes"] as? Double == 3)
            #expect(access(path, F_OK) == 0)
        }
    }
}
