/// Which events of all jobs a reader wants; an empty set selects by nothing.
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

/// A read of the events of all jobs of one tenant, in commit order.
public struct FeedQuery: Hashable, Sendable {
    public var tenant: TenantName
    public var filter: FeedFilter
    /// Exclusive.
    public var after: EventPosition
    /// Events of a page, at least 1.
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

/// Some consecutive matching events of the feed, from one read.
public struct FeedPage: Hashable, Sendable {
    /// That match, in order.
    public var events: [CommittedEvent]
    /// Up to here everything was looked at, so reading goes on after it. At least the cursor, at most the head.
    public var reached: EventPosition
    /// The newest position in the same read, whoever's event it is.
    public var head: EventPosition
    /// The newest position of which this tenant may be missing something: pruned, or deleted with its job; 0 where nothing was.
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
