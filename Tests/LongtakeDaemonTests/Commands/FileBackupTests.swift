import FoundationEssentials
import Glibc
import LongtakeDaemonDriver
import Testing

/// Backups with and without the content of files and artifacts.
@Suite(.serialized) struct FileBackupTests {
    @Test("a backup under load restores every artifact that it contains, with its bytes")
    func underLoad() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start()
            let upload = try site.upload("an upload", to: daemon)
            var jobs = try (0..<4).map { _ in try site.submit(daemon, size: 100_000) }
            for job in jobs { try site.finished(job, daemon) }
            let deleted = jobs[0]
            // More jobs end, and one is deleted, while the backup runs.
            jobs += try (0..<8).map { _ in try site.submit(daemon, size: 100_000) }
            let begun = try daemon.post("/v1/backups?files=true")
            #expect(begun.status == 202, "\(begun.body)")
            #expect(try daemon.request("DELETE", "/v1/jobs/\(deleted)").status == 204)
            for job in jobs.dropFirst() { try site.finished(job, daemon) }
            let backup = try Self.done(daemon, try #require(begun["location"]))
            #expect(backup["state"] as? String == "done", "\(backup)\n\(daemon.log)")
            let path = try #require(backup["path"] as? String)
            #expect(backup["files_path"] as? String == "\(path.dropLast(3)).files")
            let expected = try jobs[1..<4].map { try site.artifact(of: $0, daemon) }
            daemon.kill()

            let other = try CommandSite()
            let (status, output) = try DaemonProcess.run(["restore", path, "--data", other.data])
            #expect(status == 0 && output.contains("are in place.") && !output.contains("missing"), "\(output)")
            let check = try DaemonProcess.run(["check", "--data", other.data, "--deep"])
            #expect(check.status == 0 && check.output.contains("No errors found in files."), "\(check.output)")
            let restored = try other.start()
            for (job, artifact) in zip(jobs[1..<4], expected) {
                let back = try other.artifact(of: job, restored)
                #expect(back.hash == artifact.hash && back.text == artifact.text)
            }
            for job in jobs[4...] { #expect(try other.finished(job, restored)["state"] as? String == "succeeded") }
            #expect(try restored.get("/v1/files/\(upload)/content").body == "an upload")
            #expect(restored.stop() == 0)
        }
    }

    @Test("uses hard links on the same disk, and removals go on when it has ended")
    func links() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start()
            let job = try site.submit(daemon)
            try site.finished(job, daemon)
            let (hash, text) = try site.artifact(of: job, daemon)
            let begun = try daemon.post("/v1/backups?files=true")
            let backup = try Self.done(daemon, try #require(begun["location"]))
            let files = try #require(backup["files_path"] as? String)
            let copy = "\(files)/tenants/anonymous/\(hash.prefix(2))/\(hash)"
            var (one, other) = (stat(), stat())
            try #require(stat(copy, &one) == 0 && stat(site.stored(hash), &other) == 0)
            #expect(one.st_ino == other.st_ino && one.st_nlink == 2)
            #expect(try daemon.request("DELETE", "/v1/jobs/\(job)").status == 204)
            let deadline = Deadline(10)
            while access(site.stored(hash), F_OK) == 0 { try #require(!deadline.isOver, "the file is not removed") }
            #expect(try String(contentsOfFile: copy, encoding: .utf8) == text)
            #expect(daemon.stop() == 0)
        }
    }

    @Test("a backup without files restores to a daemon whose missing artifacts are 404 artifact-gone")
    func withoutFiles() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start()
            let job = try site.submit(daemon)
            try site.finished(job, daemon)
            let backup = try Self.done(daemon, try #require(try daemon.post("/v1/backups")["location"]))
            #expect(!(backup["files_path"] is String))
            let path = try #require(backup["path"] as? String)
            daemon.kill()

            let other = try CommandSite()
            let (status, output) = try DaemonProcess.run(["restore", path, "--data", other.data])
            #expect(status == 0 && output.contains("1 files are missing."), "\(output)")
            let restored = try other.start()
            let answer = try restored.get("/v1/jobs/\(job)/artifacts/out.txt")
            #expect(answer.status == 404 && answer.body.contains("artifact-gone"), "\(answer.body)")
            #expect(try restored.get("/v1/jobs/\(job)").object()["state"] as? String == "succeeded")
            #expect(restored.stop() == 0)
        }
    }

    @Test("keeps the files of the database that a restore replaces beside it")
    func replaced() async throws {
        try await onOwnThread {
            let site = try CommandSite()
            let daemon = try site.start()
            let location = try #require(try daemon.post("/v1/backups?files=true")["location"])
            let path = try #require(try Self.done(daemon, location)["path"] as? String)
            let job = try site.submit(daemon)
            try site.finished(job, daemon)
            let (hash, text) = try site.artifact(of: job, daemon)
            #expect(daemon.stop() == 0)

            let (status, output) = try DaemonProcess.run(["restore", path, "--data", site.data, "--replace"])
            #expect(status == 0, "\(output)")
            let names = try FileManager.default.contentsOfDirectory(atPath: site.data)
            let kept = try #require(names.first { $0.hasPrefix("replaced-2") })
            #expect(
                try String(
                    contentsOfFile: "\(site.data)/\(kept)/files/tenants/anonymous/\(hash.prefix(2))/\(hash)",
                    encoding: .utf8) == text)
            #expect(!names.contains("replaced-files.part"))
            let old = try DaemonProcess.run(["check", "--data", "\(site.data)/\(kept)", "--deep"])
            #expect(old.status == 0 && old.output.contains("files             1,"), "\(old.output)")
        }
    }

    private static func done(_ daemon: DaemonProcess, _ location: String) throws -> [String: Any] {
        let deadline = Deadline(30)
        while true {
            let backup = try daemon.get(location).object()
            if backup["state"] as? String != "running" || deadline.isOver { return backup }
        }
    }
}
