import LongtakeCore

/// Checks of artifacts.
extension JournalConformance {
    static let ofArtifacts = [
        Check(description: "registers an artifact with its event") { try await $0.registersArtifacts() },
        Check(description: "replaces an artifact of the same name and stage") { try await $0.replacesArtifacts() },
        Check(description: "rejects the artifact name of another stage") { try await $0.rejectsNamesOfOtherStages() },
        Check(description: "registers the results of a stage with its success") { try await $0.registersResults() },
        Check(description: "registers nothing for a lost claim") { try await $0.registersNothingForALostClaim() },
        Check(description: "registers no results of a success that lost to a cancel") {
            try await $0.registersNoResultsOfACanceledSuccess()
        },
        Check(description: "keeps registered artifacts when a claim is lost or an attempt fails") {
            try await $0.keepsRegisteredArtifacts()
        },
        Check(description: "frees the content of a deleted job") { try await $0.freesTheContentOfADeletedJob() },
        Check(description: "removes intermediate artifacts some time after the end") {
            try await $0.removesIntermediates()
        },
    ]

    /// The events `artifact.created` of a job, as `name:hash`.
    private func told(_ journal: any Journal, _ job: JobID) async throws -> [String] {
        let page = try await journal.events(of: job, of: .anonymous, after: .beforeFirst, limit: 100)
        return try (page?.events ?? []).filter { $0.type == .artifactCreated }.map {
            let event = try JSONText.decode(JSONValue.self, from: $0.payload)
            return "\(event["name"]?.text ?? ""):\(event["sha256"]?.text?.suffix(2) ?? "")"
        }
    }

    private func stored(_ journal: any Journal, _ job: JobID) async throws -> [String] {
        (try await journal.artifacts(of: job, of: .anonymous) ?? []).map {
            "\($0.artifact.name):\($0.artifact.content.hash.hex.suffix(2))"
        }
    }

    func key(_ number: Int, _ tenant: String = "anonymous") -> ContentKey {
        ContentKey(tenant: TenantName(unchecked: tenant), hash: Samples.content(number).hash)
    }

    /// The content that may be unused, by its number.
    func unused(_ journal: any Journal) async throws -> [Int] {
        try await journal.unusedContent(limit: 100).compactMap { Int($0.hash.hex) }.sorted()
    }

    func registersArtifacts() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.report(report(0.5), for: first)
        clock.advance(by: .seconds(1))
        let artifact = Samples.artifact("frame 1.png", 11)
        try expect(
            try await journal.register(artifact, for: first) == .goOn, "the holder of a claim registers artifacts")
        let page = try await journal.events(of: id, of: .anonymous, after: EventSequence(rawValue: 4), limit: 10)
        let event = try JSONText.decode(JSONValue.self, from: page?.events.last?.payload ?? "{}")
        try expect(page?.events.map(\.type) == [.artifactCreated], "a registration writes one event")
        try expect(
            event["stage"]?.text == "frames" && event["name"]?.text == "frame 1.png"
                && event["content_type"]?.text == "image/png" && event["bytes"]?.double == 100
                && event["sha256"]?.text == artifact.content.hash.hex && event["role"]?.text == "preview",
            "the event has every property of the artifact")
        let record = ArtifactRecord(artifact: artifact, stage: first.stage.name, createdAt: clock.now())
        try expect(
            try await journal.artifacts(of: id, of: .anonymous) == [record], "a registered artifact is stored")
        try expect(try await journal.job(id, of: .anonymous)?.artifacts == [record], "a job has its artifacts")
        try expect(try await journal.jobs(JobQuery()).jobs.first?.artifacts == [], "a list has no artifacts")
        try expect(
            try await journal.artifacts(of: id, of: TenantName(unchecked: "other")) == nil,
            "a tenant does not see the artifacts of another tenant")
        try expect(try await journal.isUsed(key(11)), "an artifact uses its content")
        try expect(try await journal.isUsed(key(11, "other")) == false, "tenants share no content")
        try expect(
            try await journal.job(id, of: .anonymous)?.stages[0].progress == Progress(0.5),
            "a registration does not change the progress")
        _ = try await journal.finish(first, with: .succeeded(output: nil))
        let second = try await claim(journal, Samples.gpu)
        try expect(second.artifacts == [record], "a later stage gets the artifacts of the job")
        try expect(
            second.context.metadata == ["order": "1"] && second.context.stageCount == 2,
            "a claim has the metadata of its job")
        try await journal.close()
    }

    func replacesArtifacts() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let claim = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: claim)
        _ = try await journal.register(Samples.artifact("b", 12), for: claim)
        _ = try await journal.register(Samples.artifact("a", 11), for: claim)
        try expect(try await unused(journal) == [], "the same content again leaves nothing unused")
        _ = try await journal.register(Samples.artifact("a", 13), for: claim)
        try expect(try await stored(journal, id) == ["b:12", "a:13"], "the last artifact of a name counts")
        try expect(
            try await told(journal, id) == ["a:11", "b:12", "a:11", "a:13"], "each registration writes one event")
        try expect(try await unused(journal) == [11], "replaced content may be unused")
        try expect(try await journal.isUsed(key(11)) == false, "replaced content is not used")
        try await journal.checked([key(11)])
        try expect(try await unused(journal) == [], "checked content is forgotten")
        // The second removal comes while somebody checks the content after the first one.
        _ = try await journal.register(Samples.artifact("a", 14), for: claim)
        try expect(try await unused(journal) == [13], "replaced content may be unused")
        _ = try await journal.register(Samples.artifact("a", 13), for: claim)
        try expect(try await journal.isUsed(key(13)), "content can be used again")
        _ = try await journal.register(Samples.artifact("a", 15), for: claim)
        try await journal.checked([key(13), key(14)])
        try expect(
            try await unused(journal) == [13, 14], "content whose row was removed during a check is checked again")
        let turns = (try await journal.unusedContent(limit: 1), try await journal.unusedContent(limit: 1))
        try expect(turns == ([key(13)], [key(14)]), "content that stays in the list does not block the rest")
        let used = try await journal.usedContent(after: nil, limit: 1)
        let rest = try await journal.usedContent(after: used.last?.key, limit: 10)
        try expect(
            used.map(\.key) == [key(12)] && rest.map(\.key) == [key(15)] && rest.map(\.bytes) == [100],
            "used content is listed in pages")
        try await journal.close()
    }

    func rejectsNamesOfOtherStages() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: first)
        _ = try await journal.finish(first, with: .succeeded(output: nil))
        let second = try await claim(journal, Samples.gpu)
        let head = try await journal.job(id, of: .anonymous)?.lastEvent
        try await expect(.refused(.artifactNameTaken), "a stage cannot replace the artifact of another stage") {
            _ = try await journal.register(Samples.artifact("a", 12), for: second)
        }
        try await expect(.refused(.artifactNameTaken), "a result cannot have the name of another stage's artifact") {
            let results = [Samples.artifact("b", 13, .result), Samples.artifact("a", 12, .result)]
            _ = try await journal.finish(second, with: .succeeded(output: nil, artifacts: results))
        }
        try expect(
            try await journal.job(id, of: .anonymous)?.lastEvent == head, "a rejected registration writes nothing")
        try expect(try await stored(journal, id) == ["a:11"], "the artifact of the first stage stays")
        let state = try await journal.finish(second, with: .succeeded(output: nil))
        try expect(state == .succeeded, "the stage can still end")
        try await journal.close()
    }

    func registersResults() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 10), for: first)
        let results = [Samples.artifact("b", 12, .result), Samples.artifact("a", 11, .result)]
        _ = try await journal.finish(first, with: .succeeded(output: nil, artifacts: results))
        try expect(try await stored(journal, id) == ["b:12", "a:11"], "a success registers the results of its stage")
        let second = try await claim(journal, Samples.gpu)
        try expect(second.artifacts.map(\.artifact) == results, "the next stage gets the results")
        try expect(second.artifacts.allSatisfy { $0.stage == first.stage.name }, "a result names its stage")
        clock.advance(by: .seconds(1))
        _ = try await journal.finish(
            second, with: .succeeded(output: nil, artifacts: [Samples.artifact("c", 13, .result)]))
        let page = try await journal.events(of: id, of: .anonymous, after: EventSequence(rawValue: 4), limit: 100)
        try expect(
            page?.events.map(\.type) == [
                .artifactCreated, .artifactCreated, .stageSucceeded, .stageStarted, .artifactCreated, .stageSucceeded,
                .jobSucceeded,
            ], "the events of results come before the success of their stage")
        try expect(
            page?.events.map(\.sequence.rawValue) == Array(5...11), "events of results are numbered without gaps")
        let job = try await journal.job(id, of: .anonymous)
        try expect(job?.artifacts.count == 3 && job?.artifacts.last?.createdAt == clock.now(), "the results stay")
        try await journal.close()
    }

    func registersNothingForALostClaim() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let lost = try await claim(journal)
        _ = try await journal.finish(lost, with: .interrupted(.shutdown))
        let artifact = Samples.artifact("a", 11)
        try expect(try await journal.register(artifact, for: lost) == .lost, "an ended claim registers nothing")
        let next = try await claim(journal)
        try expect(try await journal.register(artifact, for: lost) == .lost, "a stale claim registers nothing")
        try await expect(.notOwner, "a stale claim cannot end its stage with results") {
            _ = try await journal.finish(lost, with: .succeeded(output: nil, artifacts: [artifact]))
        }
        let left = (try await stored(journal, id), try await told(journal, id))
        try expect(left == ([], []), "a lost claim leaves no artifact")
        try expect(try await journal.isUsed(key(11)) == false, "a lost claim uses no content")
        _ = try await journal.finish(next, with: .succeeded(output: nil))
        try await journal.close()
    }

    func registersNoResultsOfACanceledSuccess() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let claim = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: claim)
        _ = try await journal.cancel(id, of: .anonymous)
        try expect(
            try await journal.register(Samples.artifact("b", 12), for: claim) == .canceling,
            "a registration after a cancel returns .canceling")
        let results = [Samples.artifact("c", 13, .result)]
        let state = try await journal.finish(claim, with: .succeeded(output: nil, artifacts: results))
        try expect(state == .canceled, "the cancel wins")
        let left = (try await stored(journal, id), try await told(journal, id))
        try expect(
            left == (["a:11"], ["a:11"]),
            "a success that lost to a cancel registers no results")
        try expect(try await journal.isUsed(key(13)) == false, "results that were not registered use no content")
        try await journal.close()
    }

    func keepsRegisteredArtifacts() async throws {
        let journal = try await make(ManualClock())
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: first)
        _ = try await journal.finish(first, with: .interrupted(.shutdown))
        let second = try await claim(journal)
        try expect(
            second.artifacts.map(\.artifact) == [Samples.artifact("a", 11)],
            "the next claim gets what the last one registered")
        let error = JobError(code: "stage_failed", message: "no", stage: second.stage.name)
        _ = try await journal.finish(second, with: .retry(error: error, delay: .zero))
        let third = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 12), for: third)
        _ = try await journal.finish(third, with: .failed(error))
        try expect(try await stored(journal, id) == ["a:12"], "a preview stays after its stage has failed")
        try await journal.close()
    }

    func freesTheContentOfADeletedJob() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        var submission = Samples.submission(1)
        submission.files = [FileReference(field: "image", source: .file(FileID(Samples.content(21).hash)))]
        _ = try await journal.add(Samples.file(21, at: clock.now()), of: .anonymous, limit: 1_000)
        _ = try await journal.submit(submission)
        let claim = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: claim)
        let error = JobError(code: "stage_failed", message: "no", stage: claim.stage.name)
        _ = try await journal.finish(claim, with: .failed(error))
        try await journal.delete(submission.id, of: .anonymous)
        try expect(
            try await journal.artifacts(of: submission.id, of: .anonymous) == nil, "a deleted job has no artifacts")
        try expect(try await unused(journal) == [11, 21], "the content of a deleted job may be unused at once")
        try expect(
            try await journal.isUsed(key(11)) == false, "the content of a deleted job is not used, before its rows go")
        try expect(try await journal.isUsed(key(21)), "the uploaded file still uses its content")
        try await journal.delete(FileID(Samples.content(21).hash), of: .anonymous)
        try expect(try await journal.isUsed(key(21)) == false, "a deleted file does not use its content")
        try expect(try await journal.usedContent(after: nil, limit: 10).isEmpty, "no content is left")
        try await journal.close()
    }

    func removesIntermediates() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let id = Samples.submission(1).id
        _ = try await journal.submit(Samples.submission(1))
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11, .intermediate), for: first)
        _ = try await journal.register(Samples.artifact("b", 12), for: first)
        clock.advance(by: .seconds(3600))
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady())
        try expect(try await stored(journal, id) == ["a:11", "b:12"], "a job that runs keeps its artifacts")
        let error = JobError(code: "stage_failed", message: "no", stage: first.stage.name)
        _ = try await journal.finish(first, with: .failed(error))
        let end = clock.steady()
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: end)
        try expect(try await stored(journal, id) == ["a:11", "b:12"], "an ended job keeps its artifacts for some time")
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: end.advanced(by: .milliseconds(1)))
        try expect(try await stored(journal, id) == ["b:12"], "only intermediate artifacts are removed after the end")
        try expect(try await unused(journal) == [11], "the content of a removed artifact may be unused")
        try await journal.close()
    }
}
