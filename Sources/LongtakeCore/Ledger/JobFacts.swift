/// The holder of claims: one boot of a daemon, or a worker in another process. A holder has a
/// lease, and all of its claims end with the lease. A store numbers its holders, and never uses a
/// number twice.
///
/// A new boot is a new holder. So the holder of a stage shows that an earlier boot left it running.
public struct HolderID: Hashable, Sendable, Codable, CustomStringConvertible {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }

    public var description: String { String(rawValue) }
}

/// The number of a claim of a stage; 1 for the first claim. Each claim gets a larger number than
/// the previous one. So a late write for an earlier claim is recognized and refused (fencing).
public struct Fence: Hashable, Comparable, Sendable, Codable {
    public let rawValue: Int64

    /// The fence of a stage that was never claimed.
    public static let unclaimed = Fence(rawValue: 0)

    public init(rawValue: Int64) { self.rawValue = rawValue }

    public var next: Fence { Fence(rawValue: rawValue + 1) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

/// The facts about a job that ``LedgerPlan`` needs to decide about a command.
public struct JobFacts: Hashable, Sendable {
    public let id: JobID
    public let tenant: TenantName
    public let priority: Priority
    public let pipeline: Pipeline
    public var life: JobLife
    /// The number of the last event of the job.
    public var head: EventSequence
    /// The `at` of that event. No later event gets an earlier time, even if the wall clock was set
    /// back.
    public var lastAt: Timestamp
    /// The fence of the current stage.
    public var fence: Fence
    /// The holder of the current stage; `nil` if it is not claimed.
    public var holder: HolderID?
    /// When the next attempt of the current stage is due, on the steady clock; `nil` if the stage
    /// does not wait for a retry.
    public var dueAt: Timestamp?
    /// The length of the wait that ends at ``dueAt``; `nil` if the stage does not wait for a retry,
    /// or if an earlier version stored the due time.
    public var delay: Duration?
    /// The crashes in a row from which the current stage was recovered since it last wrote
    /// something, for ``CrashLoop``. Always 0 for stages that are no commands.
    public var silentCrashes: Int

    public init(
        id: JobID, tenant: TenantName, priority: Priority, pipeline: Pipeline, life: JobLife,
        head: EventSequence = .beforeFirst, lastAt: Timestamp, fence: Fence = .unclaimed, holder: HolderID? = nil,
        dueAt: Timestamp? = nil, delay: Duration? = nil, silentCrashes: Int = 0
    ) {
        self.id = id
        self.tenant = tenant
        self.priority = priority
        self.pipeline = pipeline
        self.life = life
        self.head = head
        self.lastAt = lastAt
        self.fence = fence
        self.holder = holder
        self.dueAt = dueAt
        self.delay = delay
        self.silentCrashes = silentCrashes
    }

    public var stage: Stage { pipeline.stages[life.stageIndex] }
    /// Whether the current stage can be claimed now.
    public var isReady: Bool { life.stageState == .queued && dueAt == nil }

    /// Whether the wait for the next attempt is over.
    ///
    /// If the due time is further away than the whole wait, the wall clock was set back before a
    /// restart. Then the wait is over too.
    public func isDue(at moment: ClockReading) -> Bool {
        guard let dueAt else { return false }
        return dueAt <= moment.steady || dueAt > moment.steady.advanced(by: delay ?? Limits.maximumRetryWait)
    }
}
