import LongtakeCore

/// When the jobs of this boot and their current stages started, on the steady clock. The rows hold only what the wall clock said, and
/// that may have been set since.
///
/// It is kept beside the cache of active jobs, because that forgets: it evicts, and a transaction that is rolled back empties it.
struct SteadyStarts {
    private struct Start {
        var job: Timestamp?
        var stage: Timestamp?
    }

    private var starts: [JobID: Start] = [:]
    /// What the transaction that is under way has changed.
    private var noted: [JobID: Start] = [:]
    /// Jobs that ended in the transaction that is under way.
    private var ended: [JobID] = []
    /// 16 times the cache of active jobs, some 6 MB. The durations of jobs beyond it are measured from what the wall clock said.
    private static let most = 262_144

    /// A job has changed its state.
    mutating func note(_ job: JobFacts) {
        guard !job.life.state.isFinal else { return ended.append(job.id) }
        guard let started = job.life.startedAt, starts.count < Self.most || starts[job.id] != nil else { return }
        noted[job.id] = Start(job: started.steady, stage: job.life.stageStartedAt?.steady)
    }

    mutating func end(_ id: JobID) { ended.append(id) }

    /// - Parameter time: what the row says; `nil` if the job has not started.
    func job(_ id: JobID, startedAt time: Timestamp?) -> ClockReading? {
        time.map { ClockReading($0, steady: find(id)?.job) }
    }

    /// The same for the current stage.
    func stage(_ id: JobID, startedAt time: Timestamp?) -> ClockReading? {
        time.map { ClockReading($0, steady: find(id)?.stage) }
    }

    private func find(_ id: JobID) -> Start? { noted[id] ?? starts[id] }

    /// The transaction was committed.
    mutating func keep() {
        if !noted.isEmpty {
            starts.merge(noted) { $1 }
            noted.removeAll(keepingCapacity: true)
        }
        for id in ended { starts[id] = nil }
        ended.removeAll(keepingCapacity: true)
    }

    /// The transaction was rolled back: nothing that it has noted has happened.
    mutating func undo() {
        noted.removeAll(keepingCapacity: true)
        ended.removeAll(keepingCapacity: true)
    }
}
