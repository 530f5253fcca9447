public import LongtakeCore
import LongtakeStream

/// Reads what the commands of stages have written.
public protocol StageLogReading: Sendable {
    /// Reads the whole log of the newest attempt of a stage.
    /// - Returns: the text that is kept, of at most about 1 MiB; `nil` if there is none. If older
    ///   text was dropped, the text begins with a line that says so.
    func log(of job: JobID, stage: StageName) async throws -> [UInt8]?

    /// Reads a part of the log of the newest attempt of a stage.
    /// - Parameters:
    ///   - offset: where to begin. If older text was dropped, the part begins further on. If the
    ///     log is shorter, it begins at the end.
    ///   - limit: the largest number of bytes.
    /// - Returns: `nil` if no attempt has begun a log.
    func part(of job: JobID, stage: StageName, from offset: Int64, limit: Int) async throws -> StageLogText?

    /// Says when an attempt begins a log, and when the log grows or ends: once now, then once for
    /// all changes since the last element was taken. The sequence may end when the log does.
    func changes(of job: JobID, stage: StageName) async -> AsyncStream<Void>
}

/// A part of the log of a stage.
public struct StageLogText: Hashable, Sendable {
    public let bytes: [UInt8]
    /// The number of bytes that the attempt wrote before ``bytes``.
    public let offset: Int64
    /// From the first byte that is kept to the end of the log.
    public let kept: Range<Int64>
    public let attempt: Int

    public init(bytes: [UInt8], offset: Int64, kept: Range<Int64>, attempt: Int) {
        self.bytes = bytes
        self.offset = offset
        self.kept = kept
        self.attempt = attempt
    }
}

/// No stage has a log.
struct NoStageLogs: StageLogReading {
    func log(of job: JobID, stage: StageName) async throws -> [UInt8]? { nil }

    func part(of job: JobID, stage: StageName, from offset: Int64, limit: Int) async throws -> StageLogText? { nil }

    func changes(of job: JobID, stage: StageName) async -> AsyncStream<Void> {
        AsyncStream { $0.yield() }
    }
}

/// Reads the log of one stage while it grows, from attempt to attempt, until the stage ends.
struct StageLogFollower: Sendable {
    let job: JobID
    let tenant: TenantName
    let stage: StageName
    let journal: any JobStore
    let logs: any StageLogReading
    let hub: StreamHub

    /// Bytes of one event. A line has at most 64 KiB, so an event holds at least one whole line.
    private static let partBytes = 128 * 1024
    /// A job that is deleted has no last event, so the job is read again after this time.
    private static let patience = Duration.seconds(30)

    /// Where a stream begins.
    struct Start: Sendable {
        var plan: StageLogPlan
        /// The end of the log.
        var head: Int64
        /// Why the stream does not begin at the cursor; `nil` if it does.
        var refusal: CursorRefusal?
        /// Whether the stage has ended and the client has the whole log.
        var isComplete: Bool
    }

    /// - Parameter cursor: an offset as text; `nil` for the oldest text that is kept.
    /// - Throws: ``Problem`` with 404 if the job is gone.
    func start(after cursor: String?) async throws -> Start {
        // The job is read before the log: if the stage has ended, the log is whole.
        guard let job = try await journal.job(job, of: tenant) else { throw Problem.noSuchJob }
        let log = try await logs.part(of: self.job, stage: stage, from: 0, limit: 0)
        let kept = log?.kept ?? 0..<0
        let refusal = Self.refusal(of: cursor, kept)
        let offset = refusal == nil ? cursor.flatMap { Int64($0) } ?? 0 : 0
        return Start(
            plan: StageLogPlan(offset: offset, attempt: log?.attempt, next: next), head: kept.upperBound,
            refusal: refusal, isComplete: refusal == nil && hasEnded(in: job) && offset == kept.upperBound)
    }

    private static func refusal(of cursor: String?, _ kept: Range<Int64>) -> CursorRefusal? {
        guard let cursor else { return nil }
        guard let offset = Int(digits: cursor).map({ Int64($0) }) else { return .malformed }
        // Only an earlier attempt can have written more.
        if offset > kept.upperBound { return .attempt }
        return offset > 0 && offset < kept.lowerBound ? .pruned : nil
    }

    /// Waits for text, as ``StageLogPlan/next`` says.
    @Sendable func next(after offset: Int64, of attempt: Int?) async throws -> StageLogPart? {
        while true {
            try Task.checkCancellation()
            if let part = try await part(after: offset, of: attempt) { return part }
            guard let job = try await journal.job(job, of: tenant) else { throw StageLogRemoved() }
            let changes = await logs.changes(of: self.job, stage: stage)
            // The element that is there from the start may stand for changes until here.
            var iterator = changes.makeAsyncIterator()
            _ = await iterator.next()
            if let part = try await part(after: offset, of: attempt) { return part }
            if hasEnded(in: job) { return nil }
            try await wait(for: changes, orEventOf: job)
        }
    }

    private func part(after offset: Int64, of attempt: Int?) async throws -> StageLogPart? {
        guard var text = try await logs.part(of: job, stage: stage, from: offset, limit: Self.partBytes) else {
            return nil
        }
        if attempt != nil, text.attempt != attempt {
            let whole = try await logs.part(of: job, stage: stage, from: 0, limit: Self.partBytes)
            guard let whole else { return nil }
            text = whole
        }
        guard !text.bytes.isEmpty else { return nil }
        let end = text.bytes.lastIndex(of: UInt8(ascii: "\n")) ?? text.bytes.count - 1
        return StageLogPart(text: Array(text.bytes[...end]), offset: text.offset, attempt: text.attempt)
    }

    private func hasEnded(in job: Job) -> Bool {
        job.state.isFinal
            || job.stages.contains { $0.name == stage && [.succeeded, .failed, .canceled].contains($0.state) }
    }

    private func wait(for changes: AsyncStream<Void>, orEventOf job: Job) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                var changes = changes.makeAsyncIterator()
                _ = await changes.next()
            }
            // While the daemon shuts down, a wait for an event returns at once, and the stream ends
            // soon.
            if !hub.isDraining {
                group.addTask { [journal, tenant, hub] in
                    let (id, cursor) = (job.id, job.lastEvent.sequence)
                    try await hub.waitForEvent(of: id, of: tenant, after: cursor, upTo: Self.patience) {
                        try await journal.job(id, of: tenant).map { $0.lastEvent.sequence > cursor } ?? true
                    }
                }
            }
            _ = try await group.next()
            group.cancelAll()
            // The other wait ends with a cancellation, which is no error here.
            while await group.nextResult() != nil {}
        }
    }
}
