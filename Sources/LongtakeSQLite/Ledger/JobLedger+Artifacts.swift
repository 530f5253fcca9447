import GRDB
import LongtakeCore

/// The rows of artifacts, and of the content that the input of a job refers to.
extension JobLedger {
    /// The index of the stage that has made the stored artifact of this name; `nil` if there is
    /// none.
    func maker(of name: ArtifactName, in job: ActiveJob, _ db: Database) throws -> Int? {
        try Int.fetchOne(
            try db.cachedStatement(sql: Self.makerQuery), arguments: [job.key, name.description])
    }

    static let makerQuery = "SELECT stage FROM artifact WHERE job = ? AND name = ?"

    /// Writes the artifacts of a plan, after its events.
    func writeArtifacts(_ plan: LedgerPlan, of job: ActiveJob, _ db: Database) throws {
        // The last event does not contain the progress of the stage any more.
        if plan.rows == .artifacts {
            try statements(db).updateProgress.run(
                job.facts.life.stageProgress.value, job.key, job.facts.life.stageIndex)
        }
        var sequence = plan.firstArtifactEvent.rawValue
        for artifact in plan.artifacts {
            try statements(db).insertArtifact.run(
                job.key, artifact.name.description, plan.artifactStage, job.facts.tenant.description,
                artifact.content.hash.hex, artifact.content.bytes, artifact.type, artifact.role.rawValue, sequence,
                plan.at.millisecondsSince1970)
            sequence += 1
        }
    }

    func insertInputFiles(_ files: [ResolvedReference], of job: ActiveJob, _ db: Database) throws {
        for resolved in files {
            let (reference, file) = (resolved.reference, resolved.file)
            try statements(db).insertInputFile.run(
                job.key, reference.field, reference.source.text, job.facts.tenant.description, file.content.hash.hex,
                file.content.bytes, file.type)
        }
    }
}
