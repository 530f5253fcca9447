extension LedgerPlan {
    /// The index of the stage that has made ``artifacts``.
    public var artifactStage: Int { preconditions.state?.stageIndex ?? after.life.stageIndex }

    /// The number of the event of the first of ``artifacts``. The others follow it.
    public var firstArtifactEvent: EventSequence {
        EventSequence(rawValue: after.head.rawValue - Int64(artifactEvents.count + events.count) + 1)
    }

    /// Checks the names of ``artifacts``. A name belongs to one stage of a job, which may replace
    /// its artifact.
    /// - Parameter stage: the index of the stage that has made the stored artifact of this name;
    ///   `nil` if the job has no such artifact.
    /// - Throws: ``JournalError/refused(_:)`` with ``JobRefusal/artifactNameTaken``, or the error
    ///   of `stage`.
    public func requireOwnNames(madeBy stage: (ArtifactName) throws -> Int?) throws {
        for artifact in artifacts {
            guard let maker = try stage(artifact.name), maker != artifactStage else { continue }
            throw JournalError.refused(.artifactNameTaken)
        }
    }
}
