package import LongtakeCore

/// Decides if the writer waits a moment for more reports before it commits.
///
/// A commit costs the same for one report and for a hundred. If thousands of commands arrive per
/// second, waiting a few milliseconds saves most of that cost. Otherwise waiting saves nothing.
package struct GatherPlan: Hashable, Sendable {
    /// How long the writer waits: long enough to save a commit, too short for a reader to notice.
    package static let pauseMilliseconds = 4
    private static let window: Duration = .milliseconds(100)
    /// The rate, in commands per second, at which the writer begins to wait.
    private let rate: Int
    /// Whether the last window reached this rate.
    package private(set) var isBusy = false
    private var count = 0
    private var began: Duration = .zero

    package init(commandsPerSecond rate: Int = 1_000) { self.rate = rate }

    /// A transaction has taken so many commands.
    /// - Parameter time: of any clock that never goes back.
    package mutating func record(_ commands: Int, at time: Duration) {
        count += commands
        let elapsed = time - began
        guard elapsed >= Self.window else { return }
        isBusy = Double(count) >= Double(rate) * (elapsed / .seconds(1))
        (count, began) = (0, time)
    }
}

/// Why a transaction was rolled back completely.
package struct TransactionFailure: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// The disk is full.
        case noSpace
        /// A later try may succeed.
        case transient
        /// Every other try would fail too.
        case permanent
    }

    package let kind: Kind
    /// For the operator, without SQL or a path.
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    /// The reason that every store gives for a full disk.
    package static let diskFull = "the disk is full"
}

/// The decisions of a group-commit writer when a transaction fails, as a value.
///
/// ```
/// open ──a transaction fails, disk full──► blocked     one command per transaction; only commands
///   ▲                                        │         that may use the reserve
///   └──────────────the store has space───────┘
/// open, blocked ──COMMIT fails, outcome unknown──► lost: every command fails with `outcomeUnknown`
/// ```
///
/// If recovery at startup had no space, the writer is blocked and also not recovered: then it only
/// parks or rejects commands, because nothing may be written before recovery.
package struct CommitPolicy: Sendable {
    /// Why the store accepts only commands that may use the reserve; `nil` if it accepts all.
    package private(set) var blockReason: String?
    /// Set when the outcome of a commit is unknown.
    package private(set) var lost: JournalError?
    /// Whether recovery at startup is durable.
    package private(set) var isRecovered: Bool
    private var retryMilliseconds = 0
    private var isRetryScheduled = false

    /// The shortest and the longest delay before the writer retries parked commands, in
    /// milliseconds.
    private static let retryRange = 50...2_000

    package init(isRecovered: Bool) { self.isRecovered = isRecovered }

    /// Whether each command gets its own transaction, so that one failing command does not roll
    /// back the others.
    package var runsSingly: Bool { blockReason != nil || !isRecovered }

    package enum FailedBatch: Hashable {
        /// Free space, ``CommitPolicy/block(because:)``, then run each command singly.
        case freeSpace
        case runSingly
        /// It had one command: ``CommitPolicy/failOrPark(_:_:isExpired:)``.
        case failOrPark
    }

    /// What to do with a batch that failed as a whole.
    package func next(after failure: TransactionFailure, ofBatchOf count: Int) -> FailedBatch {
        failure.kind == .noSpace ? .freeSpace : count == 1 ? .failOrPark : .runSingly
    }

    package enum SingleCommand: Hashable {
        case run
        case fail(JournalError)
        /// Do not run it now: ``CommitPolicy/failOrPark(_:_:isExpired:)``.
        case failOrPark(TransactionFailure)
    }

    /// What to do with a command of a batch that runs singly.
    package func single(_ kind: CommandKind) -> SingleCommand {
        if let lost { return .fail(lost) }
        if let blockReason, !kind.mayUseReserve { return .fail(.cannotPersist(blockReason)) }
        return isRecovered ? .run : .failOrPark(TransactionFailure(.noSpace, TransactionFailure.diskFull))
    }

    /// Whether a command that ran singly has found the disk full. Then the store must free space
    /// and ``block(because:)``, as after a batch.
    package func mustBlock(after failure: TransactionFailure) -> Bool {
        failure.kind == .noSpace && blockReason == nil
    }

    package enum FailedCommand: Hashable {
        case fail(JournalError)
        /// Keep it. If there is a delay, unpark all after it, and call ``CommitPolicy/retry()``.
        case park(unparkAfterMilliseconds: Int?)
    }

    /// What to do with a command whose own transaction failed.
    /// - Parameter isExpired: whether its caller does not wait for another try.
    package mutating func failOrPark(
        _ kind: CommandKind, _ failure: TransactionFailure, isExpired: Bool
    ) -> FailedCommand {
        guard kind == .critical, !isExpired, failure.kind != .permanent else {
            return .fail(.cannotPersist(failure.reason))
        }
        guard !isRetryScheduled else { return .park(unparkAfterMilliseconds: nil) }
        isRetryScheduled = true
        retryMilliseconds = min(Self.retryRange.upperBound, max(Self.retryRange.lowerBound, retryMilliseconds * 2))
        return .park(unparkAfterMilliseconds: retryMilliseconds)
    }

    /// The delay is over.
    package mutating func retry() { isRetryScheduled = false }

    /// A transaction is durable, so the next retry begins with the shortest delay.
    package mutating func committed() { retryMilliseconds = 0 }

    /// - Returns: whether the reason is a new one.
    package mutating func block(because reason: String) -> Bool {
        defer { blockReason = reason }
        return blockReason != reason
    }

    package mutating func unblock() { blockReason = nil }

    package mutating func recovered() { isRecovered = true }

    /// COMMIT failed and its outcome is unknown: only the next recovery can tell.
    package mutating func lose(_ reason: String) -> JournalError {
        let unknown = JournalError.outcomeUnknown(reason)
        lost = unknown
        return unknown
    }
}
