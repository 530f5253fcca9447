import LongtakeCore
import LongtakeDaemonDriver
import LongtakeTesting
import Testing

/// `/v1/jobs/{id}/artifacts` and `/v1/jobs/{id}/log`.
@Suite struct ArtifactTests {
    /// A job whose first stage is claimed by the test.
    private struct Work: Sendable {
        let daemon: LocalDaemon
        let job: String
        let claim: Claim

        init(_ daemon: LocalDaemon) throws {
            self.daemon = daemon
            job = try daemon.submit()
            let journal = daemon.journal
            let queue = QueueName(unchecked: "cpu")
            let claimed = blockingly {
                try? await journal.claim(queue: queue, limit: 1, for: journal.holder).claims.first
            }
            claim = try #require(claimed)
        }

        @discardableResult
        func register(
            _ name: String, _ text: String, type: String = "text/plain", role: Artifact.Role = .preview
        ) throws -> ContentHash {
            let content = daemon.files.put(Array(text.utf8), for: .anonymous)
            let artifact = Artifact(name: try #require(ArtifactName(name)), type: type, content: content, role: role)
            let (journal, claim) = (daemon.journal, claim)
            #expect(blockingly { try? await journal.register(artifact, for: claim) } == .goOn)
            return content.hash
        }

        func path(_ name: String) -> String { "/v1/jobs/\(job)/artifacts/\(name)" }
    }

    private static func run(_ body: @escaping @Sendable (Work) throws -> Void) async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { try body(Work($0)) }
    }

    @Test("are listed, part of the job, and returned with all headers")
    func content() async throws {
        try await Self.run { work in
            let hash = try work.register("a b.png", "0123456789", type: "image/png")
            let list = try work.daemon.get("/v1/jobs/\(work.job)/artifacts")
            #expect(list.body.contains(#""name":"a b.png","type":"image/png","bytes":10,"sha256":"\#(hash)""#))
            #expect(try work.daemon.get("/v1/jobs/\(work.job)").body.contains(#""url":"\#(work.path("a%20b.png"))""#))
            #expect(try !work.daemon.get("/v1/jobs").body.contains("artifacts"))
            let answer = try work.daemon.get(work.path("a%20b.png"))
            #expect(answer.status == 200)
            #expect(answer.body == "0123456789")
            let expected = [
                "content-type": "image/png", "content-length": "10", "etag": "\"\(hash)\"", "accept-ranges": "bytes",
                "content-disposition": #"inline; filename="a b.png""#, "cache-control": "private, no-cache",
                "content-security-policy":
                    "sandbox; default-src 'none'; media-src 'self'; img-src 'self'",
                "x-content-type-options": "nosniff",
            ]
            for (name, value) in expected { #expect(answer[name] == value, "\(name)") }
            #expect(answer["repr-digest"]?.hasPrefix("sha-256=:") == true)
            let saved = try work.daemon.get(work.path("a%20b.png?download=1&v=\(hash)"))
            #expect(saved["content-disposition"] == #"attachment; filename="a b.png""#)
            #expect(saved["cache-control"] == "private, max-age=31536000, immutable")
            let head = try work.daemon.request("HEAD", work.path("a%20b.png"))
            #expect(head.status == 200 && head["content-length"] == "10" && head.body.isEmpty)
        }
    }

    @Test("return ranges, 304 and 416")
    func conditions() async throws {
        try await Self.run { work in
            let tag = "\"\(try work.register("a", "0123456789"))\""
            func get(_ fields: String...) throws -> Exchange {
                try work.daemon.exchange("GET", work.path("a"), fields)
            }
            let part = try get("Range: bytes=2-4")
            #expect(part.status == 206 && part.body == "234" && part["content-range"] == "bytes 2-4/10")
            #expect(try get("Range: bytes=2-4", "If-Range: \(tag)").status == 206)
            #expect(try get("Range: bytes=2-4", "If-Range: \"x\"").body == "0123456789")
            #expect(try get("Range: bytes=2-4,6-7").status == 200)
            let behind = try get("Range: bytes=10-")
            #expect(behind.status == 416 && behind["content-range"] == "bytes */10")
            let known = try get("If-None-Match: \(tag)", "Range: bytes=2-4")
            #expect(known.status == 304 && known.body.isEmpty && known["etag"] == tag)
            #expect(try get("If-None-Match: \"x\"").status == 200)
            // Only GET has ranges.
            let head = try work.daemon.request("HEAD", work.path("a"), "Range: bytes=2-4")
            #expect(head.status == 200 && head["content-length"] == "10")
        }
    }

    @Test("return 404 with the reason: never made, replaced, or no longer kept")
    func gone() async throws {
        try await Self.run { work in
            let old = try work.register("ü.txt", "old")
            let new = try work.register("ü.txt", "new")
            #expect(try work.daemon.get(work.path("%C3%BC.txt")).body == "new")
            func problem(_ path: String) throws -> String {
                let answer = try work.daemon.get(path)
                #expect(answer.status == 404)
                return try answer.text("type")
            }
            #expect(try problem(work.path("%C3%BC.txt?v=\(old)")).hasSuffix("artifact-gone"))
            #expect(try work.daemon.get(work.path("%C3%BC.txt?v=\(new)")).status == 200)
            for name in ["other", "a%2Fb", "%25C3%25BC.txt", "%C3.txt", "%"] {
                #expect(try problem(work.path(name)).hasSuffix("no-such-artifact"), "\(name)")
            }
            work.daemon.files.lose(ContentKey(tenant: .anonymous, hash: new))
            #expect(try problem(work.path("%C3%BC.txt")).hasSuffix("artifact-gone"))
            #expect(try problem("/v1/jobs/job_00000000000000000000000000/artifacts").hasSuffix("no-such-job"))
        }
    }

    @Test("are opened by a ticket for their job, and by no other ticket")
    func tickets() async throws {
        try await Self.run { work in
            try work.register("a", "x")
            let other = try work.daemon.submit()
            let (own, foreign) = (try work.daemon.ticket([work.job]), try work.daemon.ticket([other]))
            for path in [work.path("a?ticket="), "/v1/jobs/\(work.job)/artifacts?ticket="] {
                #expect(try work.daemon.get(path + own).status == 200)
                #expect(try work.daemon.get(path + foreign).status == 404)
            }
        }
    }

    @Test("of a stage has a log, which is 400 without a stage and 404 for an unknown one")
    func log() async throws {
        try await Self.run { work in
            let log = try work.daemon.get("/v1/jobs/\(work.job)/log?stage=\(work.claim.stage.name)")
            #expect(log.status == 200 && log["content-type"] == "text/plain; charset=utf-8" && log.body.isEmpty)
            #expect(try work.daemon.get("/v1/jobs/\(work.job)/log").status == 400)
            #expect(try work.daemon.get("/v1/jobs/\(work.job)/log?stage=other").status == 404)
        }
    }
}
