import LongtakeCore

/// Checks of uploaded files and of the references of jobs to content.
extension JournalConformance {
    static let ofFiles = [
        Check(description: "stores files of a tenant") { try await $0.storesFiles() },
        Check(description: "lists files newest first, in pages") { try await $0.listsFiles() },
        Check(description: "limits the bytes of a tenant's files") { try await $0.limitsFileBytes() },
        Check(description: "renews a file, and removes it when it has expired") { try await $0.expiresFiles() },
        Check(description: "removes no file too early when the clock is set") { try await $0.ignoresTheWallClock() },
        Check(description: "keeps the content that a job refers to") { try await $0.pinsReferencedContent() },
        Check(description: "rejects references with all their problems") { try await $0.rejectsReferences() },
        Check(description: "resolves references to artifacts") { try await $0.resolvesArtifactReferences() },
        Check(description: "does not check the references of a known key again") {
            try await $0.replaysWithoutFiles()
        },
        Check(description: "a retry gets the content of the retried job") { try await $0.retriesWithTheSameContent() },
    ]

    private func id(_ number: Int) -> FileID { FileID(Samples.content(number).hash) }

    private func submission(_ number: Int, tenant: String = "anonymous", key: String? = nil, _ files: FileReference...)
        -> Submission
    {
        var submission = Samples.submission(number, tenant: tenant, key: key)
        submission.files = files
        return submission
    }

    private func image(_ number: Int) -> FileReference { FileReference(field: "image", source: .file(id(number))) }

    private func fail(_ journal: any Journal, _ job: JobID) async throws {
        _ = try await journal.cancel(job, of: .anonymous)
    }

    func storesFiles() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let file = Samples.file(1, at: clock.now())
        let other = TenantName(unchecked: "other")
        let added = try await journal.add(file, of: .anonymous, limit: 1_000)
        try expect(added.file == file && added.isNew, "a new file is stored")
        try expect(try await journal.file(id(1), of: .anonymous) == file, "a file can be read")
        try expect(try await journal.file(id(2), of: .anonymous) == nil, "an unknown file is not found")
        let seen = (try await journal.file(id(1), of: other), try await journal.files(of: other, after: nil, limit: 9))
        try expect(
            seen == (nil, []),
            "a tenant does not see the files of another tenant")
        try await expect(.noSuchFile, "a tenant cannot delete the file of another tenant") {
            try await journal.delete(id(1), of: other)
        }
        _ = try await journal.add(Samples.file(1, at: clock.now()), of: other, limit: 1_000)
        try await journal.delete(id(1), of: .anonymous)
        try expect(try await journal.file(id(1), of: .anonymous) == nil, "a deleted file is not found")
        try await expect(.noSuchFile, "a file cannot be deleted twice") {
            try await journal.delete(id(1), of: .anonymous)
        }
        try expect(try await unused(journal) == [1], "the content of a deleted file may be unused")
        let used = (try await journal.isUsed(key(1)), try await journal.isUsed(key(1, "other")))
        try expect(
            used == (false, true), "the same file of another tenant stays")
        try await journal.close()
    }

    func listsFiles() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        for number in [3, 1, 2, 4] {
            _ = try await journal.add(Samples.file(number, at: clock.now()), of: .anonymous, limit: 1_000)
            if number != 1 { clock.advance(by: .seconds(1)) }
        }
        let first = try await journal.files(of: .anonymous, after: nil, limit: 2)
        try expect(first.map(\.id) == [4, 2].map(id), "files are listed newest first")
        let second = try await journal.files(of: .anonymous, after: first.last?.id, limit: 2)
        try expect(second.map(\.id) == [1, 3].map(id), "a page continues after the last file")
        try await journal.delete(id(4), of: .anonymous)
        let again = try await journal.files(of: .anonymous, after: id(4), limit: 2)
        try expect(again.map(\.id) == [2, 1].map(id), "if the last file was deleted, the list begins again")
        try await journal.close()
    }

    func limitsFileBytes() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.add(Samples.file(1, bytes: 60, at: clock.now()), of: .anonymous, limit: 100)
        try await expect(.tooManyBytes, "the files of a tenant never exceed the limit") {
            _ = try await journal.add(Samples.file(2, bytes: 41, at: clock.now()), of: .anonymous, limit: 100)
        }
        _ = try await journal.add(Samples.file(3, bytes: 40, at: clock.now()), of: .anonymous, limit: 100)
        try expect(try await journal.bytesOfFiles(of: .anonymous) == 100, "the bytes of a tenant are its files")
        let known = try await journal.add(Samples.file(1, bytes: 60, at: clock.now()), of: .anonymous, limit: 10)
        try expect(!known.isNew, "a known file needs no room")
        _ = try await journal.add(
            Samples.file(2, bytes: 100, at: clock.now()), of: TenantName(unchecked: "other"), limit: 100)
        try await journal.delete(id(1), of: .anonymous)
        try expect(try await journal.bytesOfFiles(of: .anonymous) == 40, "a deleted file needs no room")
        try await journal.close()
    }

    func expiresFiles() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let start = clock.now()
        for number in 1...3 { _ = try await journal.add(Samples.file(number, at: start), of: .anonymous, limit: 1_000) }
        clock.advance(by: .seconds(23 * 3600))
        let renewed = try await journal.add(Samples.file(1, at: clock.now()), of: .anonymous, limit: 1_000)
        let later = clock.now().advanced(by: Limits.fileLifetime)
        try expect(
            renewed.file.expiresAt == later && renewed.file.createdAt == start, "an upload of a known file renews it")
        let shorter = try await journal.add(Samples.file(1, at: start), of: .anonymous, limit: 1_000)
        try expect(shorter.file.expiresAt == later, "an upload never shortens the life of a file")
        let read = try await journal.file(id(2), of: .anonymous)
        try expect(read.map { $0.expiresAt >= later } ?? false, "a read keeps the file for 24 hours")
        let again = try await journal.file(id(2), of: .anonymous)
        try expect(again == read, "reads renew a file from time to time")
        clock.advance(by: .seconds(3599))
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady())
        try expect(
            try await journal.files(of: .anonymous, after: nil, limit: 9).count == 3, "no file is removed early")
        clock.advance(by: .seconds(1))
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady())
        let left = try await journal.files(of: .anonymous, after: nil, limit: 9)
        try expect(left.map(\.id) == [2, 1].map(id), "an expired file is removed")
        try expect(try await unused(journal) == [3], "the content of an expired file may be unused")
        try expect(try await journal.bytesOfFiles(of: .anonymous) == 200, "an expired file needs no room")
        try await journal.close()
    }

    func ignoresTheWallClock() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.add(Samples.file(1, at: clock.now()), of: .anonymous, limit: 1_000)
        clock.jump(by: .seconds(365 * 86_400))
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady())
        try expect(
            try await journal.files(of: .anonymous, after: nil, limit: 9).count == 1,
            "a wall clock that is set removes no file")
        try await journal.close()
    }

    func pinsReferencedContent() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        let start = clock.now()
        _ = try await journal.add(Samples.file(1, at: start), of: .anonymous, limit: 1_000)
        let job = submission(1, image(1))
        _ = try await journal.submit(job)
        let claim = try await claim(journal)
        try expect(
            claim.files == ["image": InputFile(content: Samples.content(1), type: "image/png")],
            "a claim has the content of the input")
        try await expect(.refused(.fileInUse), "a file that a job refers to cannot be deleted") {
            try await journal.delete(id(1), of: .anonymous)
        }
        clock.advance(by: .seconds(2 * 86_400))
        for _ in 1...2 { _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady()) }
        try expect(try await journal.bytesOfFiles(of: .anonymous) == 100, "a file that a job refers to does not expire")
        try await fail(journal, job.id)
        _ = try await journal.finish(claim, with: .interrupted(.shutdown))
        try await expect(.refused(.fileInUse), "an ended job still refers to its files") {
            try await journal.delete(id(1), of: .anonymous)
        }
        try await journal.delete(job.id, of: .anonymous)
        _ = try await journal.removeExpired(intermediatesOfJobsEndedBefore: clock.steady())
        let left = (try await journal.bytesOfFiles(of: .anonymous), try await journal.isUsed(key(1)))
        try expect(
            left == (0, false),
            "an expired file is removed when no job refers to it any more")
        try await journal.close()
    }

    func rejectsReferences() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.add(Samples.file(1, bytes: 50, at: clock.now()), of: .anonymous, limit: 1_000)
        _ = try await journal.add(Samples.file(2, at: clock.now()), of: TenantName(unchecked: "other"), limit: 1_000)
        let name = ArtifactName(unchecked: "a")
        let references = [
            FileReference(field: "large", source: .file(id(1)), accept: ["image/png"], maximumBytes: 49),
            FileReference(field: "video", source: .file(id(1)), accept: ["video/mp4"]),
            FileReference(field: "other's", source: .file(id(2))),
            FileReference(field: "missing", source: .file(id(3))),
            FileReference(field: "artifact", source: .artifact(name, of: Samples.submission(9).id)),
            FileReference(field: "fits", source: .file(id(1)), accept: ["image/png"], maximumBytes: 50),
        ]
        var rejected = Samples.submission(1)
        rejected.files = references
        do {
            _ = try await journal.submit(rejected)
            throw Violation(description: "invalid references are rejected")
        } catch JournalError.invalidReferences(let problems) {
            try expect(
                problems == [
                    InputProblem(pointer: "/input/large", detail: "must have at most 49 bytes, not 50"),
                    InputProblem(pointer: "/input/video", detail: "must be of type video/mp4, not image/png"),
                    InputProblem(pointer: "/input/other's", detail: "refers to a file that does not exist"),
                    InputProblem(pointer: "/input/missing", detail: "refers to a file that does not exist"),
                    InputProblem(pointer: "/input/artifact", detail: "refers to an artifact that does not exist"),
                ], "all problems are reported at once: \(problems)")
        }
        try expect(try await journal.jobs(JobQuery()).jobs.isEmpty, "a rejected submission creates no job")
        rejected.files = [references[5]]
        _ = try await journal.submit(rejected)
        try await journal.close()
    }

    func resolvesArtifactReferences() async throws {
        let journal = try await make(ManualClock())
        let source = Samples.submission(1)
        _ = try await journal.submit(source)
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: first)
        let reference = FileReference(
            field: "image", source: .artifact(ArtifactName(unchecked: "a"), of: source.id), accept: ["image/png"])
        try await expect(
            .invalidReferences([
                InputProblem(pointer: "/input/image", detail: "refers to an artifact that does not exist")
            ]), "a tenant cannot refer to the artifact of another tenant"
        ) { _ = try await journal.submit(submission(2, tenant: "other", reference)) }
        _ = try await journal.submit(submission(3, reference))
        let error = JobError(code: "stage_failed", message: "no", stage: first.stage.name)
        _ = try await journal.finish(first, with: .failed(error))
        try await journal.delete(source.id, of: .anonymous)
        try expect(try await journal.isUsed(key(11)), "a reference keeps the content of the artifact of a deleted job")
        let second = try await claim(journal)
        try expect(
            second.files == ["image": InputFile(content: Samples.content(11), type: "image/png")],
            "a claim has the content of the artifact")
        try await expect(
            .invalidReferences([
                InputProblem(pointer: "/input/image", detail: "refers to an artifact that does not exist")
            ]), "a new job cannot refer to the artifact of a deleted job"
        ) { _ = try await journal.submit(submission(4, reference)) }
        try await journal.close()
    }

    func replaysWithoutFiles() async throws {
        let clock = ManualClock()
        let journal = try await make(clock)
        _ = try await journal.add(Samples.file(1, at: clock.now()), of: .anonymous, limit: 1_000)
        let job = submission(1, key: "k", image(1))
        _ = try await journal.submit(job)
        guard case .replayed = try await journal.submit(submission(2, key: "k", image(3))) else {
            throw Violation(description: "a known key returns its job, also if a reference is invalid now")
        }
        try await journal.close()
    }

    func retriesWithTheSameContent() async throws {
        let journal = try await make(ManualClock())
        let source = Samples.submission(1)
        _ = try await journal.submit(source)
        let first = try await claim(journal)
        _ = try await journal.register(Samples.artifact("a", 11), for: first)
        let reference = FileReference(field: "image", source: .artifact(ArtifactName(unchecked: "a"), of: source.id))
        let old = submission(2, reference)
        _ = try await journal.submit(old)
        try await fail(journal, old.id)
        _ = try await journal.register(Samples.artifact("a", 12), for: first)
        var retry = submission(3, reference)
        retry.retryOf = old.id
        _ = try await journal.submit(retry)
        let error = JobError(code: "stage_failed", message: "no", stage: first.stage.name)
        _ = try await journal.finish(first, with: .failed(error))
        try await journal.delete(source.id, of: .anonymous)
        let second = try await claim(journal)
        try expect(
            second.job == retry.id && second.files["image"]?.content == Samples.content(11),
            "a retry gets the content of the retried job, not a replaced one")
        retry.id = Samples.submission(4).id
        _ = try await journal.submit(retry)
        let third = try await claim(journal)
        try expect(third.files == second.files, "a retry can refer to content that only the retried job keeps")
        retry.id = Samples.submission(5).id
        retry.files = [FileReference(field: "image", source: .artifact(ArtifactName(unchecked: "b"), of: source.id))]
        try await expect(
            .invalidReferences([
                InputProblem(pointer: "/input/image", detail: "refers to an artifact that does not exist")
            ]), "a retry with another reference does not get the content of the retried job"
        ) { _ = try await journal.submit(retry) }
        try await journal.close()
    }
}
