import LongtakeCore
import Testing

@testable import LongtakeStorage

@Suite("the decisions of a group commit")
struct CommitPolicyTests {
    private static let kinds: [CommandKind] = [.submission, .report, .normal, .probe, .critical, .maintenance]
    private let full = TransactionFailure(.noSpace, TransactionFailure.diskFull)
    private let busy = TransactionFailure(.transient, "busy")
    private let broken = TransactionFailure(.permanent, "broken")

    @Test("a failed batch runs again one by one, and a full disk frees space first")
    func failedBatch() {
        let policy = CommitPolicy(isRecovered: true)
        #expect(!policy.runsSingly)
        for failure in [busy, broken] {
            #expect(policy.next(after: failure, ofBatchOf: 2) == .runSingly)
            #expect(policy.next(after: failure, ofBatchOf: 1) == .failOrPark)
        }
        for count in 1...2 { #expect(policy.next(after: full, ofBatchOf: count) == .freeSpace) }
    }

    @Test("a command that runs singly and finds the disk full blocks the store, once")
    func singleCommand() {
        var policy = CommitPolicy(isRecovered: true)
        let mustBlock = [full, busy, broken].map { policy.mustBlock(after: $0) }
        #expect(mustBlock == [true, false, false])
        _ = policy.block(because: full.reason)
        #expect(!policy.mustBlock(after: full))
    }

    @Test("while the store is blocked, only commands that may use the reserve run")
    func blocked() {
        var policy = CommitPolicy(isRecovered: true)
        let news = ["full", "full", "other"].map { policy.block(because: $0) }
        #expect(news == [true, false, true] && policy.runsSingly)
        for kind in Self.kinds {
            let mayRun = kind == .critical || kind == .maintenance
            #expect(policy.single(kind) == (mayRun ? .run : .fail(.cannotPersist("other"))))
        }
        policy.unblock()
        #expect(!policy.runsSingly && Self.kinds.allSatisfy { policy.single($0) == .run })
    }

    @Test("before recovery no command runs")
    func unrecovered() {
        var policy = CommitPolicy(isRecovered: false)
        #expect(policy.runsSingly && Self.kinds.allSatisfy { policy.single($0) == .failOrPark(full) })
        policy.recovered()
        #expect(!policy.runsSingly && policy.single(.critical) == .run)
    }

    @Test("when the outcome of a commit is unknown, no command runs any more")
    func lost() {
        var policy = CommitPolicy(isRecovered: true)
        #expect(policy.lose("EIO") == .outcomeUnknown("EIO"))
        for kind in Self.kinds { #expect(policy.single(kind) == .fail(.outcomeUnknown("EIO"))) }
    }

    @Test("only a critical command is retried, unless it has expired or would fail again")
    func retries() {
        for kind in Self.kinds {
            for failure in [full, busy, broken] {
                for isExpired in [false, true] {
                    var policy = CommitPolicy(isRecovered: true)
                    let isRetried = kind == .critical && failure != broken && !isExpired
                    #expect(
                        policy.failOrPark(kind, failure, isExpired: isExpired)
                            == (isRetried
                                ? .park(unparkAfterMilliseconds: 50) : .fail(.cannotPersist(failure.reason))))
                }
            }
        }
    }

    @Test("one timer runs for all parked commands, and its delay doubles until a commit succeeds")
    func backoff() {
        var policy = CommitPolicy(isRecovered: true)
        func delay() -> Int? {
            guard case .park(let delay) = policy.failOrPark(.critical, busy, isExpired: false) else { return -1 }
            return delay
        }
        var delays: [Int?] = []
        for _ in 1...8 {
            delays.append(delay())
            #expect(delay() == nil, "the timer runs already")
            policy.retry()
        }
        #expect(delays == [50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
        policy.committed()
        #expect(delay() == 50)
    }
}

@Suite("waiting for more reports")
struct GatherPlanTests {
    @Test("begins at a thousand commands per second, and ends below that")
    func rate() {
        var plan = GatherPlan()
        func busy(_ perTenth: Int, from second: Double) -> Bool {
            for step in 1...10 { plan.record(perTenth / 10, at: .seconds(second) + .milliseconds(step * 10)) }
            return plan.isBusy
        }
        let busyness = [busy(50, from: 0), busy(200, from: 0.1), busy(110, from: 0.2), busy(40, from: 0.3)]
        #expect(busyness == [false, true, true, false])
        plan.record(512, at: .seconds(60))
        #expect(!plan.isBusy, "many commands at once after a long pause are no rate")
    }
}
