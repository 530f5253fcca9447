/// Who has claimed a stage: one boot of a daemon, or a worker elsewhere. A holder has a lease, and all of
/// its claims end with the lease. A store numbers its holders, and never uses a number twice.
///
/// A new boot is a new holder, so what an earlier boot left running is recognised by its holder alone.
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

/// How often a stage has been claimed: 1 for its first claim. Each claim gets a larger number than the
/// one before, so a late write in the name of an earlier claim is recognised and refused (fencing).
public struct Fence: Hashable, Comparable, Sendable, Codable {
    public let rawValue: Int64

    /// Of a stage that nobody has claimed yet.
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

/// What a store knows about a job when it decides about it: all that ``LedgerPlan`` needs, and nothing
/// that only clients are shown.
public struct JobFacts: Hashable, Sendable {
    public let id: JobID
    public let tenant: TenantName
    public let priority: Priority
    public let pipeline: Pipeline
    public var life: JobLife
    /// The last event of the job's log.
    public var head: EventSequence
    /// The `at` of that event. Later events are never told as earlier, even if the wall clock was set
    /// back.
    public var lastAt: Timestamp
    /// Of the current stage.
    public var fence: Fence
    /// Who has the current stage; `nil` while nobody does.
    public var holder: HolderID?
    /// When the next attempt of the current stage may begin, on the steady clock; `nil` if it does not
    /// wait for a time.
    public var dueAt: Timestamp?

    public init(
        id: JobID, tenant: TenantName, priority: Priority, pipeline: Pipeline, life: JobLife,
        head: EventSequence = .beforeFirst, lastAt: Timestamp, fence: Fence = .unclaimed, holder: HolderID? = nil,
        dueAt: Timestamp? = nil
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
    }

    public var stage: Stage { pipeline.stages[life.stageIndex] }
    /// Whether the current stage can be claimed now.
    public var isReady: Bool { life.stageState == .queued && dueAt == nil }
}
