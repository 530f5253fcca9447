import LongtakeCore

/// Which runs are under way, so that a cancel mark or a drain finds what to stop. Pure; `Handle` is what stops a run.
///
/// The race that it is made for:
/// ```text
/// claimer                          canceler                          here
/// claim commits                                                      -
///                                  cancel mark commits, is observed  no run of that job yet: remembered
/// claim returns, run begins                                          refused: stop before it starts
/// ```
/// A run that is found may be that of the stage before, which is over and has only not said so yet. So a mark holds, whatever was stopped, until
/// the final event that must follow it.
struct ExecutionIndex<Handle> {
    private var running: [JobID: [ClaimID: Handle]] = [:]
    /// Jobs with a cancel mark and no final event yet.
    private(set) var marked: Set<JobID> = []
    private var isStopping = false

    /// Begins a run, unless it is to be stopped already: then `nil`, and nothing was made.
    mutating func begin(_ claim: Claim, _ make: () -> Handle) -> Handle? {
        guard !marked.contains(claim.job), !isStopping else { return nil }
        let handle = make()
        running[claim.job, default: [:]][claim.id] = handle
        return handle
    }

    mutating func end(_ claim: Claim) {
        running[claim.job]?[claim.id] = nil
        if running[claim.job]?.isEmpty == true { running[claim.job] = nil }
    }

    /// A cancel mark was committed. What to stop now; what begins later is refused.
    mutating func cancel(_ job: JobID) -> [Handle] {
        marked.insert(job)
        return (running[job]?.values).map(Array.init) ?? []
    }

    /// The log of a job has ended, so no run of it will begin.
    mutating func forget(_ job: JobID) {
        marked.remove(job)
    }

    /// All that runs now; what begins later is refused.
    mutating func stopAll() -> [Handle] {
        isStopping = true
        return running.values.flatMap(\.values)
    }
}
