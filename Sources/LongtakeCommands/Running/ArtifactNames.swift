import LongtakeCore

/// The names and sizes of the artifacts of a job, as one of its stages sees them. It is a pure
/// value.
struct ArtifactNames: Sendable {
    private let stage: StageName
    private let stageLimit: Int
    private var others: Set<ArtifactName> = []
    private var own: Set<ArtifactName> = []
    private var bytes: [ArtifactName: Int64] = [:]

    enum Verdict: Hashable, Sendable {
        case admitted
        /// Another stage of the job has an artifact with this name.
        case taken
        /// The stage has made too many artifacts.
        case tooMany
    }

    init(_ claim: Claim, limit: Int = Limits.artifactsPerStage) {
        stage = claim.stage.name
        stageLimit = limit
        for record in claim.artifacts {
            if record.stage == stage { own.insert(record.artifact.name) } else { others.insert(record.artifact.name) }
            bytes[record.artifact.name] = record.artifact.content.bytes
        }
    }

    func verdict(on name: ArtifactName) -> Verdict {
        if others.contains(name) { return .taken }
        return own.contains(name) || own.count < stageLimit ? .admitted : .tooMany
    }

    /// The bytes that the artifacts of the job have without this one, which may replace another.
    func bytes(without name: ArtifactName) -> Int64 {
        bytes.reduce(0) { $1.key == name ? $0 : $0 + $1.value }
    }

    /// The stage has made an artifact.
    mutating func add(_ name: ArtifactName, bytes count: Int64) {
        own.insert(name)
        bytes[name] = count
    }
}
