import Glibc
import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeCommands

@Suite("stage artifacts")
struct StageArtifactsTests {
    private let stage = CommandStage()

    private func record(
        _ name: String, by maker: String, bytes: Int64 = 1, content: Content? = nil
    ) -> ArtifactRecord {
        let none = Content(hash: ContentHash(bytes: [UInt8](repeating: 1, count: 32)), bytes: bytes)
        let content = content ?? none
        return ArtifactRecord(
            artifact: Artifact(name: ArtifactName(name)!, type: "a/b", content: content, role: .preview),
            stage: StageName(unchecked: maker), createdAt: Timestamp(millisecondsSince1970: 0))
    }

    @Test("registers previews and intermediates at once, and keeps results until the success")
    func roles() async throws {
        let result = try await stage.run(
            """
            echo one > p; echo '{"artifact": "p", "type": "image/png", "role": "preview"}'
            echo two > i; echo '{"artifact": "i", "role": "intermediate"}'
            echo three > r; echo '{"artifact": "r", "type": "video/mp4"}'
            """
        ).get()
        #expect(stage.registered.list.map(\.name.description) == ["p", "i"])
        #expect(result.artifacts.map(\.name.description) == ["r"])
        #expect(result.artifacts.first?.type == "video/mp4")
        #expect(result.kept.count == 1)
        #expect(result.artifacts.first.flatMap { stage.store.text($0.content) } == "three\n")
    }

    @Test("the newest result of a name replaces an older one")
    func replaced() async throws {
        let result = try await stage.run(
            "echo 1 > r; echo '{\"artifact\": \"r\"}'; sleep 0.2; echo 22 > r; echo '{\"artifact\": \"r\"}'"
        ).get()
        #expect(result.artifacts.map(\.content.bytes) == [3])
    }

    @Test("registers no result of a failed stage")
    func failed() async {
        let result = await stage.run("echo 1 > r; echo '{\"artifact\": \"r\"}'; exit 1")
        #expect(result.stageFailure != nil && stage.registered.list.isEmpty)
    }

    @Test(
        "refuses what is not a regular file of its own below the directory, and the log says why",
        arguments: [
            ("true", "gone"), ("ln -s /etc/passwd a", "link"), ("mkdir a", "not a regular file"),
            ("mkfifo a", "not a regular file"), ("echo > b; ln b a", "more than one hard link"),
        ])
    func refusedFiles(script: String, reason: String) async throws {
        let result = try await stage.run(script + "; echo '{\"artifact\": \"a\"}'").get()
        #expect(result.artifacts.isEmpty)
        let expected = reason == "gone" ? "no such file" : reason
        #expect(await stage.log.contains("the artifact “a” was not stored: "))
        #expect(await stage.log.contains(expected))
    }

    @Test("refuses invalid names and types", arguments: ["../x", "a/b", ".", "..", "", "/etc/passwd", "a\\u0000b"])
    func refusedNames(name: String) async throws {
        _ = try await stage.run("echo '{\"artifact\": \"\(name)\"}'".replacing("\\u", with: "\\\\u")).get()
        #expect(await stage.log.contains("was not stored") || name.contains("u0000"))
        #expect(stage.registered.list.isEmpty)
    }

    @Test("refuses an artifact beyond the bytes of its job, counting those of earlier stages")
    func jobLimit() async throws {
        let stage = CommandStage(limits: CommandLimits(artifactBytesPerJob: 10))
        let work = CommandStage.work(
            """
            printf 12345 > a; echo '{"artifact": "a"}'; sleep 0.1; printf 123456 > b; echo '{"artifact": "b"}'
            """)
        let result = try await stage.run(CommandStage.claim(work)).get()
        #expect(result.artifacts.map(\.name.description) == ["a"])
        #expect(await stage.log.contains("at most 10 bytes"))
        var names = ArtifactNames(CommandStage.claim(work, artifacts: [record("x", by: "frames", bytes: 7)]))
        names.add(ArtifactName("y")!, bytes: 2)
        #expect(names.bytes(without: ArtifactName("y")!) == 7 && names.bytes(without: ArtifactName("z")!) == 9)
    }

    @Test("fails with artifact_name_taken if another stage has made the name, and ends the program")
    func taken() async {
        let work = CommandStage.work("echo > a; echo '{\"artifact\": \"a\"}'; exec sleep 60")
        let earlier = record("a", by: "frames", content: stage.store.add("x"))
        let failure = await stage.run(CommandStage.claim(work, artifacts: [earlier])).stageFailure
        #expect(failure?.code == "artifact_name_taken" && failure?.isRetryable == false)
    }

    @Test("admits at most 256 names of one stage, and the same name again")
    func count() {
        var names = ArtifactNames(CommandStage.claim(CommandStage.work(""), artifacts: [record("0", by: "encode")]))
        for number in 1..<256 { names.add(ArtifactName("\(number)")!, bytes: 0) }
        #expect(names.verdict(on: ArtifactName("256")!) == .tooMany)
        #expect(names.verdict(on: ArtifactName("7")!) == .admitted)
    }

    @Test("a preview that pacing drops is registered at the success, unless a newer one was")
    func previews() async throws {
        stage.admitPreviews(false)
        _ = try await stage.run("echo 1 > p; echo '{\"artifact\": \"p\", \"role\": \"preview\"}'; echo 22 > p").get()
        #expect(stage.registered.list.map(\.content.bytes) == [3])
    }

    @Test("interrupts the stage and ends the program when the store is full")
    func full() async {
        stage.store.fail(with: .full)
        let result = await stage.run("echo > a; echo '{\"artifact\": \"a\"}'; exec sleep 60")
        #expect(throws: StageInterruption(.disk)) { try result.get() }
        #expect(CommandStage.exists(stage.directory()))
    }

    @Test("a store that fails is a failure that can be retried")
    func storeFails() async {
        stage.store.fail(with: .failed("broken"))
        let failure = await stage.run("echo > a; echo '{\"artifact\": \"a\"}'").stageFailure
        #expect(failure?.isRetryable == true)
    }

    @Test("stores the declared artifacts at the success, and fails with artifact_missing if one is not there")
    func declared() async throws {
        let declared = DeclaredArtifact(path: "out/a.mp4", name: ArtifactName("video.mp4")!, type: "video/mp4")
        func run(_ script: String) async -> Result<StageResult, any Error> {
            await stage.run(CommandStage.claim(CommandStage.work(script, usesProtocol: false, artifacts: [declared])))
        }
        #expect(try await run("mkdir out; echo 1 > out/a.mp4").get().artifacts.map(\.name.description) == ["video.mp4"])
        #expect(await run("true").stageFailure?.code == "artifact_missing")
        #expect(await run("ln -s /etc out; ln -s /etc/passwd out/a.mp4; true").stageFailure?.code == "artifact_missing")
        #expect(await run("exit 1").stageFailure?.code == "stage_failed")
    }

    @Test("opens no file through a link in any part of its path, with and without openat2", arguments: [true, false])
    func beneath(usesOpenat2: Bool) throws {
        let directory = WorkingDirectory(root: stage.root + "/work", claim: CommandStage.claim(CommandStage.work("")))
        try directory.prepare()
        mkdir(directory.path + "/sub", 0o700)
        try directory.write([1], to: "sub/file")
        symlink("sub", directory.path + "/link")
        symlink("file", directory.path + "/sub/last")
        close(try directory.open("sub/file", usesOpenat2: usesOpenat2))
        close(try directory.open("./sub//file", usesOpenat2: usesOpenat2))
        for path in ["link/file", "sub/last", "../1/sub/file", "/etc/passwd"] {
            #expect(throws: WorkingDirectory.Refusal.isLink, "\(path)") {
                close(try directory.open(path, usesOpenat2: usesOpenat2))
            }
        }
        #expect(throws: WorkingDirectory.Refusal.missing) {
            close(try directory.open("none", usesOpenat2: usesOpenat2))
        }
        #expect(throws: WorkingDirectory.Refusal.notRegular) {
            close(try directory.open("sub", usesOpenat2: usesOpenat2))
        }
    }
}
