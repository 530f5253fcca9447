/// A query for a page of jobs, the newest first.
public struct JobQuery: Hashable, Sendable {
    public var tenant: TenantName
    public var state: JobState?
    public var pipeline: PipelineName?
    /// 1 to ``Limits/jobsPerPage``.
    public var limit: Int
    /// The cursor from the previous page; `nil` for the first page.
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

/// A cursor of the list of jobs. New jobs do not move it. Opaque to clients.
public struct JobListCursor: Hashable, Sendable {
    public let rawValue: Int64

    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// Parses exactly the form that ``description`` writes.
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
    /// The newest position of all jobs in the same read; 0 if there are no events. A client that
    /// follows the feed from here misses nothing.
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

/// A page of the log of one job, from one read.
public struct EventPage: Hashable, Sendable {
    /// Consecutive events after the cursor. There are fewer than the limit only at the head of the
    /// log, or if the page has reached its size limit.
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
