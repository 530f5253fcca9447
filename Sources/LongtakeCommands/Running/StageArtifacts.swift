import Glibc
import LongtakeCore

/// Stores the artifacts of one attempt. Previews and intermediate artifacts are registered at once.
/// Results are kept until the stage succeeds.
struct StageArtifacts {
    /// How often the journal is asked to register an artifact while it is overloaded.
    private static let registrations = 6
    /// The delay before the second registration. It doubles each time.
    private static let registrationDelay: Duration = .milliseconds(100)

    private let tenant: TenantName
    private let directory: WorkingDirectory
    private let store: any FileStore
    private let reports: StageReports
    private let clock: any Clock<Duration>
    private let jobLimit: Int64
    private var names: ArtifactNames
    private var results: [ArtifactName: (artifact: Artifact, kept: any KeptContent)] = [:]
    /// The previews that were not admitted, and that nothing has replaced.
    private var droppedPreviews: [ArtifactName: StageMessage.ArtifactNote] = [:]

    init(
        _ claim: Claim, in directory: WorkingDirectory, store: any FileStore, reports: StageReports,
        clock: any Clock<Duration>, jobLimit: Int64
    ) {
        tenant = claim.context.tenant
        self.directory = directory
        self.store = store
        self.reports = reports
        self.clock = clock
        self.jobLimit = jobLimit
        names = ArtifactNames(claim)
    }

    /// Stores what a message of the program names.
    /// - Returns: why it was refused; `nil` if it was not.
    /// - Throws: ``StageFailure`` if the name is another stage's, ``StageInterruption`` if the disk
    ///   is full, `CancellationError` if the attempt must end.
    mutating func add(_ note: StageMessage.ArtifactNote) async throws -> String? {
        guard let name = ArtifactName(note.name) else {
            return "a name has 1 to 255 bytes without / and control characters, and is not . or .."
        }
        guard note.hasValidType else { return "its type is not a media type" }
        if note.role == .preview, names.verdict(on: name) == .admitted {
            guard reports.admitsPreview() else {
                // Bounded, because a dropped name does not count as one of the stage.
                let isKnown = droppedPreviews[name] != nil
                if isKnown || droppedPreviews.count < Limits.artifactsPerStage { droppedPreviews[name] = note }
                return nil
            }
            droppedPreviews[name] = nil
        }
        return try await add(name, path: note.name, type: note.type, role: note.role)
    }

    /// Registers the newest previews that pacing has dropped, because none follows.
    mutating func addDroppedPreviews() async throws {
        for note in droppedPreviews.values.sorted(by: { $0.name < $1.name }) {
            guard let name = ArtifactName(note.name) else { continue }
            _ = try await add(name, path: note.name, type: note.type, role: note.role)
        }
        droppedPreviews = [:]
    }

    /// Stores the artifacts that the configuration names.
    /// - Throws: as ``add(_:)``; also ``StageFailure`` if one of them is refused.
    mutating func add(_ declared: [DeclaredArtifact]) async throws {
        for artifact in declared {
            let path = artifact.path
            guard let refusal = try await add(artifact.name, path: path, type: artifact.type, role: artifact.role)
            else {
                continue
            }
            throw StageFailure(
                code: "artifact_missing",
                message: "the program did not leave the artifact “\(artifact.name)”: \(refusal)",
                isRetryable: false)
        }
    }

    /// The results for the end of the stage.
    var result: (artifacts: [Artifact], kept: [any KeptContent]) {
        let sorted = results.sorted { $0.key < $1.key }
        return (sorted.map(\.value.artifact), sorted.map(\.value.kept))
    }

    private mutating func add(
        _ name: ArtifactName, path: String, type: String, role: Artifact.Role
    ) async throws -> String? {
        switch names.verdict(on: name) {
        case .admitted: break
        case .taken: throw StageFailure.artifactNameTaken(name)
        case .tooMany: return "a stage has at most \(Limits.artifactsPerStage) artifacts"
        }
        let kept: any KeptContent
        switch try await copy(path, limit: jobLimit - names.bytes(without: name)) {
        case .success(let copy): kept = copy
        case .failure(let refusal): return refusal.reason
        }
        let artifact = Artifact(name: name, type: type, content: kept.content, role: role)
        if role == .result {
            results[name] = (artifact, kept)
        } else if let refusal = try await register(artifact, keeping: kept) {
            return refusal
        } else {
            // The name now belongs to what was registered.
            results[name] = nil
        }
        names.add(name, bytes: kept.content.bytes)
        return nil
    }

    private struct Refusal: Error {
        let reason: String
    }

    private func copy(_ path: String, limit: Int64) async throws -> Result<any KeptContent, Refusal> {
        let directory = directory
        let file: Int32
        do {
            file = try await DiskWork.run { try directory.open(path) }
        } catch let refusal as WorkingDirectory.Refusal {
            return .failure(Refusal(reason: refusal.reason))
        }
        defer { close(file) }
        do {
            return .success(try await store.copy(of: file, for: tenant, limit: max(0, limit)))
        } catch .tooLarge {
            return .failure(Refusal(reason: "the artifacts of a job have at most \(jobLimit) bytes"))
        } catch .full {
            throw StageInterruption(.disk)
        } catch .failed(let text) {
            throw StageFailure(message: "an artifact could not be stored: \(text)", isRetryable: true)
        }
    }

    /// - Returns: why a preview was dropped; `nil` if the artifact was registered.
    private func register(_ artifact: Artifact, keeping kept: any KeptContent) async throws -> String? {
        defer { withExtendedLifetime(kept) {} }
        var delay = Self.registrationDelay
        for number in 1... {
            do {
                try await reports.register(artifact)
                return nil
            } catch JournalError.overloaded, JournalError.cannotPersist {
                // A newer preview follows, so this one is not worth a wait.
                if artifact.role == .preview { return "the daemon cannot store it now" }
                if number == Self.registrations { throw StageInterruption(.disk) }
            }
            try await clock.sleep(for: delay)
            delay *= 2
        }
        return nil
    }
}
