import LongtakeCore
import Synchronization

/// The attempts in progress. Workers begin and end them. The commit observer and the drain stop
/// them.
final class ActiveAttempts: Sendable {
    typealias Attempt = Task<AttemptEnd, Never>

    private let index = Mutex(AttemptIndex<Attempt>())

    /// Begins an attempt, or returns `nil` if it must not begin because its job is canceled or the
    /// engine drains.
    func begin(_ claim: Claim, _ body: @escaping @Sendable () async -> AttemptEnd) -> Attempt? {
        index.withLock { index in
            // Unstructured: a stop must cancel only the attempt, because the worker still stores
            // the result. The task is created under the lock, so that a stop cannot run between the
            // check and the insertion.
            index.begin(claim) { Task { await body() } }
        }
    }

    /// Removes an attempt whose result is stored or cannot be stored.
    func end(_ claim: Claim) {
        index.withLock { $0.end(claim) }
    }

    /// Stops the attempts of jobs for which a cancel request was committed.
    func observe(_ notice: WorkNotice) {
        guard !notice.canceling.isEmpty || !notice.ended.isEmpty else { return }
        let stopped = index.withLock { index in
            let attempts = notice.canceling.flatMap { index.cancel($0) }
            for job in notice.ended { index.forget(job) }
            return attempts
        }
        for attempt in stopped { attempt.cancel() }
    }

    /// Stops all attempts and lets no more begin.
    func stopAll() {
        for attempt in index.withLock({ $0.stopAll() }) { attempt.cancel() }
    }
}

/// Finds the attempts that a cancel request or a drain has to stop. It is a pure value. `Handle` is
/// what stops an attempt.
///
/// It handles this race:
/// ```text
/// claimer                         canceler                 index
/// claim commits                                            -
///                                 cancel request commits   no attempt yet: the job is remembered
/// claim returns, attempt begins                            refused: the attempt never begins
/// ```
/// The request may also find only the attempt of the previous stage, which has finished but is not
/// removed yet. So the job stays remembered until its final event, even if an attempt was stopped.
struct AttemptIndex<Handle> {
    private var active: [JobID: [ClaimID: Handle]] = [:]
    /// Jobs with a cancel request and without a final event.
    private(set) var canceling: Set<JobID> = []
    private var isDraining = false

    /// Inserts an attempt.
    /// - Returns: `nil`, without a call of `make`, if the job is to be canceled or the engine
    ///   drains.
    mutating func begin(_ claim: Claim, _ make: () -> Handle) -> Handle? {
        guard !canceling.contains(claim.job), !isDraining else { return nil }
        let handle = make()
        active[claim.job, default: [:]][claim.id] = handle
        return handle
    }

    mutating func end(_ claim: Claim) {
        active[claim.job]?[claim.id] = nil
        if active[claim.job]?.isEmpty == true { active[claim.job] = nil }
    }

    /// A cancel request was committed. Later attempts of the job are refused.
    /// - Returns: the attempts to stop.
    mutating func cancel(_ job: JobID) -> [Handle] {
        canceling.insert(job)
        return (active[job]?.values).map(Array.init) ?? []
    }

    /// The final event of a job was committed, so no attempt of it can begin.
    mutating func forget(_ job: JobID) {
        canceling.remove(job)
    }

    /// The engine drains. Later attempts are refused.
    /// - Returns: all attempts in progress.
    mutating func stopAll() -> [Handle] {
        isDraining = true
        return active.values.flatMap(\.values)
    }
}
