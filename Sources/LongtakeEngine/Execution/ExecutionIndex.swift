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
struct ExecutionIndex<Handle> {
    private var running: [JobID: [ClaimToken: Handle]] = [:]
    /// Jobs with a cancel mark whose run has not begun. Each is taken out by its run or by the final event that must follow the mark.
    private(set) var marked: Set<JobID> = []
    private var isStopping = false

    /// Begins a run, unless it is to be stopped already: then `nil`, and nothing was made.
    mutating func begin(_ claim: Claim, _ make: () -> Handle) -> Handle? {
        guard marked.remove(claim.job) == nil, !isStopping else { return nil }
        let handle = make()
        running[claim.job, default: [:]][claim.token] = handle
        return handle
    }

    mutating func end(_ claim: Claim) {
        marked.remove(claim.job)
        running[claim.job]?[claim.token] = nil
        if running[claim.job]?.isEmpty == true { running[claim.job] = nil }
    }

    /// A cancel mark was committed. What to stop now; when there is nothing yet, the run will be refused when it begins.
    mutating func cancel(_ job: JobID) -> [Handle] {
        guard let handles = running[job]?.values else {
            marked.insert(job)
            return []
        }
        return Array(handles)
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
