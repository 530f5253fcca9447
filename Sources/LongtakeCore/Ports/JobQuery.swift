/// Which jobs to list, newest first.
public struct JobQuery: Hashable, Sendable {
    public var tenant: TenantName
    public var state: JobState?
    public var pipeline: PipelineName?
    /// 1 to ``Limits/jobsPerPage``.
    public var limit: Int
    /// Goes on behind the page that gave this out.
    public var after: JobListCursor?

    public init(
        tenant: TenantName = .anonymous, state: JobState? = nil, pipeline: PipelineName? = nil, limit: Int = 50,
        after: JobListCursor? = nil
    ) {
        self.tenant = tenant
        self.state = state
        self.pipeline = pipeline
        self.limit = limit
        self.after = after
    }
}

/// A place in the list of jobs that stays where it is while jobs are added. Opaque to clients.
public struct JobListCursor: Hashable, Sendable {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// Reads what ``description`` writes.
    public init?(_ text: String) {
        guard text.utf8.first == 0x63, let value = Int64(text.dropFirst()), value > 0, "c\(value)" == text else {
            return nil
        }
        rawValue = value
    }

    public var description: String { "c\(rawValue)" }
}

/// A page of jobs from one read.
public struct JobPage: Hashable, Sendable {
    public var jobs: [Job]
    /// `nil` on the last page.
    public var next: JobListCursor?
    /// The newest event of all jobs in the same read: follow from there and nothing is missed. 0 where there is none.
    public var position: EventPosition

    /// The epoch in the same read.
    public var epoch: Epoch

    public init(epoch: Epoch, jobs: [Job], next: JobListCursor?, position: EventPosition) {
        self.epoch = epoch
        self.jobs = jobs
        self.next = next
        self.position = position
    }
}

/// Some consecutive events of one log.
public struct EventPage: Hashable, Sendable {
    /// In order, beginning right after the cursor; fewer than asked for only at the head, or where the page's bytes ran out.
    public var events: [CommittedEvent]
    /// The last event of the log in the same read.
    public var head: EventSequence
    /// Whether the head is a final event.
    public var isFinal: Bool

    /// The epoch in the same read.
    public var epoch: Epoch

    public init(epoch: Epoch, events: [CommittedEvent], head: EventSequence, isFinal: Bool) {
        self.epoch = epoch
        self.events = events
        self.head = head
        self.isFinal = isFinal
    }
}
