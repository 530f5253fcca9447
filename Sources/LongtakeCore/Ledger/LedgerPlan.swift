/// Everything that one command changes: the events to append, the rows to write, the counters to
/// change and the queue to wake. It also has the preconditions of the write.
///
/// Only this type contains these rules. To judge a command is to make a plan, which has no effect.
/// A store then executes the plan in a transaction. If another writer has changed the job
/// meanwhile, one of the ``preconditions`` does not hold. Then the store writes nothing, and the
/// command is judged again on new facts.
///
/// A plan contains no positions, because the store assigns them when it writes the events. A plan
/// is made for every event. So its parts are stored inline, and only the texts of its events are
/// allocated.
public struct LedgerPlan: Hashable, Sendable {
    public internal(set) var preconditions: Preconditions
    /// The events of the results of a stage that succeeds, which come before ``events``.
    public internal(set) var artifactEvents: [PlannedEvent] = []
    /// The events to append to the log of the job, in order.
    public internal(set) var events = UpToTwo<PlannedEvent>()
    /// The wall-clock time: the `at` of the events, and of the times in the rows.
    public internal(set) var at: Timestamp
    /// The job after the plan. Its head is the last of the events.
    public internal(set) var after: JobFacts
    /// The rows to write besides the events.
    public internal(set) var rows = Rows.none
    /// The change of the number of queued jobs of the tenant: 1, 0 or −1.
    public internal(set) var queuedJobs = 0
    /// The queue on which this plan makes a stage unclaimable.
    public internal(set) var leavesReady: QueueName?
    /// The queue on which this plan makes a stage claimable.
    public internal(set) var entersReady: QueueName?
    /// The workers to wake after the plan is durable.
    public internal(set) var wake = Wake.nobody
    /// The `finished_at` of a job that this plan ends, on the steady clock.
    public internal(set) var finishedAt: Timestamp?
    /// The output of the stage that succeeds with this plan, for the later stages. The output of
    /// the last stage is the output of the job, and is in ``ending``.
    public internal(set) var stageOutput: JSONValue?
    /// The artifacts to write, which the current stage has made.
    public internal(set) var artifacts: [Artifact] = []
    /// The content that the input of a new job refers to.
    public internal(set) var inputFiles: [ResolvedReference] = []
    /// The opaque part of the checkpoint in a report.
    public internal(set) var checkpoint: JSONValue?
    /// Whether to delete the opaque checkpoint of the stage, because its attempt has ended.
    public internal(set) var dropsCheckpoint = false
    /// Whether to set ``JobFacts/silentCrashes`` in the row of the current stage to 0, besides
    /// ``rows``. True for the first report, checkpoint or artifact after a crash.
    public internal(set) var forgetsCrashes = false

    /// The conditions that must hold when the store executes the plan.
    public struct Preconditions: Hashable, Sendable {
        public let job: JobID
        /// The state of the job on which the plan was made; `nil` if the job must not exist.
        public let state: State?
        /// A queue that must not be paused.
        public let openQueue: QueueName?

        /// The part of a job that every write changes.
        public struct State: Hashable, Sendable {
            public let head: EventSequence
            /// Includes whether the job is to be canceled.
            public let phase: JobLife.Phase
            public let stageIndex: Int
            public let fence: Fence
            public let holder: HolderID?
            public let dueAt: Timestamp?

            public init(
                head: EventSequence, phase: JobLife.Phase, stageIndex: Int, fence: Fence, holder: HolderID?,
                dueAt: Timestamp?
            ) {
                self.head = head
                self.phase = phase
                self.stageIndex = stageIndex
                self.fence = fence
                self.holder = holder
                self.dueAt = dueAt
            }

            public init(_ facts: JobFacts) {
                head = facts.head
                phase = facts.life.phase
                stageIndex = facts.life.stageIndex
                fence = facts.fence
                holder = facts.holder
                dueAt = facts.dueAt
            }
        }

        /// Whether the preconditions hold for the job that is stored now.
        /// - Parameter facts: `nil` if the store has no such job.
        public func hold(for facts: JobFacts?, isPaused: (QueueName) -> Bool) -> Bool {
            hold(forState: facts.map(State.init), isPaused: isPaused)
        }

        /// - Parameter stored: `nil` if the store has no such job.
        public func hold(forState stored: State?, isPaused: (QueueName) -> Bool) -> Bool {
            state == stored && openQueue.map(isPaused) != true
        }
    }

    /// The rows that a plan writes besides the events.
    public enum Rows: Hashable, Sendable {
        /// None. The last event contains the progress of the job.
        case none
        /// New rows for the job and its first stage.
        case insert
        /// The rows of the job and of its current stage.
        case update
        /// The rows of the job and of the succeeded stage, and a new row for the next stage.
        case nextStage
        /// The row of the current stage, whose retry is due.
        case stageIsDue
        /// The opaque checkpoint in the row of the current stage.
        case checkpoint
        /// The rows of ``LedgerPlan/artifacts``. With other rows they are written too.
        case artifacts
    }

    /// The workers that a plan wakes.
    public enum Wake: Hashable, Sendable {
        case nobody
        /// Those of this queue, because a stage can be claimed. If the queue is paused, the store
        /// wakes nobody.
        case ready(QueueName)
        /// Those of this queue at this time of the steady clock, because a retry is due then.
        case later(QueueName, Timestamp)
    }

    /// How a job ends, with the values for its row.
    public enum Ending: Hashable, Sendable {
        case succeeded(output: JSONValue)
        case failed(JobError)
        case canceled
    }

    /// How the plan ends the job; `nil` if it does not.
    public var ending: Ending? {
        switch events.last?.event.change {
        case .succeeded(let output, _): .succeeded(output: output)
        case .failed(let error): .failed(error)
        case .canceled: .canceled
        default: nil
        }
    }

    /// Whether the plan changes nothing, as for a second cancel.
    public var isEmpty: Bool { events.isEmpty && rows == .none }
}

/// An event with its text, which every reader gets unchanged.
public struct PlannedEvent: Hashable, Sendable {
    public let event: JobEvent
    /// The text from ``JobEvent/payload()``.
    public let payload: String

    public init(_ event: JobEvent) {
        self.event = event
        payload = event.payload()
    }
}
