import Glibc
import LongtakeCore
import LongtakePostgresSpike
import LongtakeTesting
import Synchronization
import Testing

/// Interleavings that are drawn, and not left to chance. `other` is a connection of nobody, which holds a lock.
@Suite("interleavings on PostgreSQL", .serialized, .timeLimit(.minutes(5)))
struct InterleavingTests {
    /// Cuts the next batch when it is told to.
    private final class Scissors: Sendable {
        private let next = Mutex<Cut?>(nil)

        func cut(_ cut: Cut) { next.withLock { $0 = cut } }

        var faults: NodeFaults {
            NodeFaults(cut: {
                self.next.withLock { next in
                    defer { next = nil }
                    return next
                }
            })
        }
    }

    /// Returns when as many backends wait for a lock.
    private func waiters(_ count: Int, _ other: Connection) async throws {
        let isMet = try await until {
            try other.rows(Self.waiting).first == [String(count)]
        }
        #expect(isMet, "\(count) backends wait")
    }

    private static let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    /// Blocks the thread of a node until one backend waits for a lock, 20 seconds at most.
    private static func blockUntilWaiting(_ database: String) {
        guard let look = try? Connection(database) else { return }
        for _ in 0..<2_000 {
            if (try? look.rows(waiting).first) == ["1"] { return }
            poll(nil, 0, 10)
        }
    }

    private func log(_ job: JobID, _ node: PostgresNode) async throws -> [EventType] {
        let page = try await node.events(of: job, of: .anonymous, after: .beforeFirst, limit: 1_000)
        #expect(page?.events.map(\.sequence.rawValue) == Array(1...Int64(page?.events.count ?? 0)))
        return page?.events.map(\.type) ?? []
    }

    private func report(_ share: Double) -> StageReport { StageReport(progress: Progress(share), message: "half") }

    // node                     backend of the batch          other
    //                                                        takes the position lock
    // sends a submission       inserts the batch's row
    //                          waits for the position
    // loses its connection
    // inserts the batch's row
    //  and waits for it                                      lets go
    //                          commits
    // finds the answer
    @Test("a batch that commits after its node lost the connection is found, and not written again")
    func lateCommit() async throws {
        try await withDatabase { database in
            let scissors = Scissors()
            let node = try await PostgresNode.join(database, faults: scissors.faults)
            defer { node.disconnect() }
            let observed = Seen<EventPosition>()
            node.observeEvents { for event in $0 { observed.add(event.position) } }
            let other = try Connection(database)
            try other.rows("SELECT pg_advisory_lock(7001)")
            let isCut = Signal()
            scissors.cut(
                .afterSend {
                    Self.blockUntilWaiting(database)
                    isCut.give()
                })
            async let outcome = node.submit(Samples.submission(1))
            await isCut.wait()
            try await waiters(2, other)
            try other.rows("SELECT pg_advisory_unlock(7001)")
            guard case .created(let job) = try await outcome else { throw Cluster.Failed(description: "not created") }
            #expect(try await log(job.id, node) == [.jobQueued])
            let page = try await node.events(FeedQuery(tenant: .anonymous, after: .beforeFirst))
            #expect(observed.list == page.events.map(\.position), "its events are told with their positions")
            #expect(try other.rows("SELECT count(*) FROM batches") == [["1"]])
        }
    }

    // node                     backend of the batch          other
    //                                                        locks the job
    // sends a report           waits for the job
    // loses its connection
    // inserts the batch's row
    // sends it as a new batch                                lets go
    //                          cannot insert its row
    @Test("a batch that its node has settled never commits, though its backend still runs")
    func neverCommits() async throws {
        try await withDatabase { database in
            let scissors = Scissors()
            let node = try await PostgresNode.join(database, faults: scissors.faults)
            defer { node.disconnect() }
            let id = Samples.submission(1).id
            _ = try await node.submit(Samples.submission(1))
            let claim = try #require(try await node.claim(queue: Samples.cpu, limit: 1).claims.first)
            let (locking, other) = (try Connection(database), try Connection(database))
            try locking.run("BEGIN")
            try locking.rows("SELECT FROM jobs FOR UPDATE")
            scissors.cut(.afterSend { Self.blockUntilWaiting(database) })
            async let answer = node.report(report(0.5), for: claim)
            try await waiters(2, other)
            #expect(try other.rows("SELECT count(*) FROM batches WHERE answer IS NULL") == [["1"]], "it is settled")
            try locking.run("COMMIT")
            #expect(try await answer == .goOn)
            try await waiters(0, other)
            #expect(try await log(id, node) == [.jobQueued, .jobStarted, .stageStarted, .stageProgress])
        }
    }

    @Test("a take-over waits for a batch that is under way, and the batch counts")
    func takeOverInMidBatch() async throws {
        try await withDatabase { database in
            let (first, second) = (try await PostgresNode.join(database), try await PostgresNode.join(database))
            defer {
                first.disconnect()
                second.disconnect()
            }
            _ = try await first.submit(Samples.submission(1))
            let lost = try #require(try await second.claim(queue: Samples.cpu, limit: 1).claims.first)
            let other = try Connection(database)
            try other.rows("SELECT pg_advisory_lock(7001)")
            async let answer = second.report(report(0.5), for: lost)
            try await waiters(1, other)
            async let count = first.declareGone(second.holder)
            try await waiters(2, other)
            try other.rows("SELECT pg_advisory_unlock(7001)")
            #expect(try await answer == .goOn)
            #expect(try await count == 1)
            #expect(try await second.report(report(0.6), for: lost) == .lost)
            let next = try #require(try await first.claim(queue: Samples.cpu, limit: 1).claims.first)
            #expect(next.checkpoint.progress == Progress(0.5) && next.id.fence > lost.id.fence)
        }
    }

    @Test("a stage that was reserved by a node that is gone is handed out by another")
    func takesOverReservations() async throws {
        try await withDatabase { database in
            let (reserved, goOn) = (Signal(), Signal())
            let first = try await PostgresNode.join(database)
            _ = try await first.submit(Samples.submission(1))
            let second = try await PostgresNode.join(
                database,
                faults: NodeFaults(beforeCommit: {
                    reserved.give()
                    await goOn.wait()
                }))
            defer {
                first.disconnect()
                second.disconnect()
            }
            async let late = second.claim(queue: Samples.cpu, limit: 1)
            await reserved.wait()
            #expect(try await first.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
            #expect(try await first.declareGone(second.holder) == 0, "it has claimed nothing")
            let claim = try #require(try await first.claim(queue: Samples.cpu, limit: 1).claims.first)
            #expect(claim.id.fence == Fence(rawValue: 1), "the reservation left no trace")
            goOn.give()
            #expect(try await late.claims.isEmpty)
        }
    }

    @Test("a stage that was reserved before a pause is put back without a trace")
    func pauseAfterReserve() async throws {
        try await withDatabase { database in
            let other = try await PostgresNode.join(database)
            let isPausing = Mutex(false)
            let node = try await PostgresNode.join(
                database,
                faults: NodeFaults(beforeCommit: {
                    if isPausing.withLock({ $0 }) { try? await other.pause(Samples.cpu) }
                }))
            defer {
                node.disconnect()
                other.disconnect()
            }
            let id = Samples.submission(1).id
            _ = try await node.submit(Samples.submission(1))
            isPausing.withLock { $0 = true }
            #expect(try await node.claim(queue: Samples.cpu, limit: 1).claims.isEmpty)
            #expect(try await log(id, node) == [.jobQueued])
            isPausing.withLock { $0 = false }
            try await other.pause(Samples.cpu, isPaused: false)
            #expect(try await other.claim(queue: Samples.cpu, limit: 1).claims.first?.id.fence == Fence(rawValue: 1))
        }
    }
}
