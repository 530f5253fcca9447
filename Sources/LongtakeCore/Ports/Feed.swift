/// Selects events of the feed. An empty set selects everything.
public struct FeedFilter: Hashable, Sendable {
    /// At most ``Limits/feedJobs``.
    public var jobs: Set<JobID>
    public var pipelines: Set<PipelineName>
    public var types: Set<EventType>

    public init(jobs: Set<JobID> = [], pipelines: Set<PipelineName> = [], types: Set<EventType> = []) {
        self.jobs = jobs
        self.pipelines = pipelines
        self.types = types
    }

    /// Whether every event passes.
    public var isEmpty: Bool { jobs.isEmpty && pipelines.isEmpty && types.isEmpty }

    /// Whether an event of that job, pipeline and type passes.
    public func accepts(job: JobID, pipeline: PipelineName, type: EventType) -> Bool {
        (types.isEmpty || types.contains(type)) && (jobs.isEmpty || jobs.contains(job))
            && (pipelines.isEmpty || pipelines.contains(pipeline))
    }
}

/// A query for the events of all jobs of one tenant, in commit order.
public struct FeedQuery: Hashable, Sendable {
    public var tenant: TenantName
    public var filter: FeedFilter
    /// Only events after this position.
    public var after: EventPosition
    /// The largest number of events in the page; at least 1.
    public var limit: Int

    public init(
        tenant: TenantName, filter: FeedFilter = FeedFilter(), after: EventPosition,
        limit: Int = Limits.eventsPerPage
    ) {
        self.tenant = tenant
        self.filter = filter
        self.after = after
        self.limit = limit
    }
}

/// A page of the feed: consecutive events that match the query, from one read.
public struct FeedPage: Hashable, Sendable {
    /// The events, in order.
    public var events: [CommittedEvent]
    /// The position up to which the read has examined the feed. The next read continues after it.
    /// At least the cursor, at most the head.
    public var reached: EventPosition
    /// The newest position of all tenants in the same read.
    public var head: EventPosition
    /// The newest position at which an event of this tenant may be missing, because it was pruned,
    /// or deleted with its job; 0 if there is none. A reader with an older cursor may have missed
    /// it.
    public var prunedThrough: EventPosition
    /// The epoch in the same read.
    public var epoch: Epoch

    public init(
        epoch: Epoch, events: [CommittedEvent], reached: EventPosition, head: EventPosition,
        prunedThrough: EventPosition
    ) {
        self.epoch = epoch
        self.events = events
        self.reached = reached
        self.head = head
        self.prunedThrough = prunedThrough
    }
}
