import FoundationEssentials
import LongtakeDaemonDriver
import Testing

/// Retries after the pipelines have changed.
@Suite struct PipelineChangeTests {
    @Test("a retry uses the current pipeline, and is rejected if the job no longer fits it")
    func retry() async throws {
        try await onOwnThread {
            let daemon = try DaemonProcess(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"])
            let old = try daemon.submit(
                #"{"input":{"prompt":"a boat","fps":30},"simulation":{"fail_stage":"moderate","fatal":true}}"#)
            _ = try daemon.post("/v1/jobs/\(old)/cancel")
            #expect(daemon.stop() == 0)
            let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
            let text = try String(contentsOfFile: "/\(root)/config/pipelines.yaml", encoding: .utf8)
            let path = daemon.directory + "/pipelines.yaml"
            func configure(_ word: String, with other: String) throws {
                try text.replacing(word, with: other).write(
                    toFile: path, atomically: false, encoding: .utf8)
                try daemon.start("LONGTAKE_PIPELINES=\(path)")
            }
            try configure("name: storyboard", with: "name: sketches")
            let mended = try daemon.post("/v1/jobs/\(old)/retry")
            #expect(mended.status == 201 && mended.body.contains("sketches") && !mended.body.contains("storyboard"))
            #expect(daemon.stop() == 0)

            let changes = [
                ("maximum: 60, default: 24", "maximum: 25, default: 24", "/input/fps"),
                ("name: moderate", "name: checks", "/simulation/fail_stage"),
                ("text-to-video", "text-to-movie", "/pipeline"),
            ]
            for (word, other, pointer) in changes {
                try configure(word, with: other)
                let refused = try daemon.post("/v1/jobs/\(old)/retry")
                #expect(refused.status == 422 && refused.body.contains("outdated-job"), "\(refused.body)")
                #expect(refused.body.contains(pointer), "\(refused.body)")
                #expect(daemon.stop() == 0)
            }
        }
    }
}
