/// Everything that one command about one job changes: the events to append, the rows to write, the
/// counters to move and the queue to wake, with what must still hold when it is written.
///
/// The rules stand here and nowhere else. Judging a command makes a plan and has no effect. A store then
/// executes the plan in a transaction. If one of the ``preconditions`` does not hold any more, because
/// somebody else wrote meanwhile, the store writes nothing and answers with fresh facts, and the command
/// is judged again.
///
/// A plan holds no position. Where its events stand among those of all jobs is known only when they are
/// written. Its parts are stored inline because a plan is made for every event: only the texts of its
/// events are allocated.
public struct LedgerPlan: Hashable, Sendable {
    public internal(set) var preconditions: Preconditions
    /// To be appended to the job's log, in order.
    public internal(set) var events: UpToTwo<PlannedEvent> = []
    /// What the wall clock said: the `at` of the events, and of what the rows say about this moment.
    public internal(set) var at: Timestamp
    /// The job afterwards. Its head is the last of the events.
    public internal(set) var after: JobFacts
    /// Which rows change beside the log.
    public internal(set) var rows = Rows.none
    /// What is added to the number of queued jobs of the tenant: 1, 0 or −1.
    public internal(set) var queuedJobs = 0
    /// The queue on which this stage could be claimed and now cannot.
    public internal(set) var leavesReady: QueueName?
    /// The queue on which this stage can be claimed and could not before.
    public internal(set) var entersReady: QueueName?
    /// Whether the workers of a queue are told, once the plan is durable.
    public internal(set) var wake = Wake.nobody
    /// `finished_at` of a job that ends with this plan, on the steady clock.
    public internal(set) var finishedAt: Timestamp?
    /// What the stage that succeeds with this plan gave back, for the stages that follow. The output of the
    /// last stage is the job's, and is in ``ending``.
    public internal(set) var stageOutput: JSONValue?
    /// The opaque part of the checkpoint that a report brings.
    public internal(set) var checkpoint: JSONValue?
    /// Whether the opaque checkpoint of the stage is dropped, because it belongs to an attempt that is over.
    public internal(set) var dropsCheckpoint = false

    /// What must hold in the store when the plan is written.
    public struct Preconditions: Hashable, Sendable {
        public let job: JobID
        /// The job as it was judged. `nil` if there must be no such job yet.
        public let state: State?
        /// A queue that must not be paused.
        public let openQueue: QueueName?

        /// The part of a job that any other write would have changed.
        public struct State: Hashable, Sendable {
            public let head: EventSequence
            /// A cancel mark is a phase of its own.
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

        /// Whether a plan that was judged on this still fits what the store holds now.
        /// - Parameter facts: `nil` if the store has no such job.
        public func hold(for facts: JobFacts?, isPaused: (QueueName) -> Bool) -> Bool {
            hold(forState: facts.map(State.init), isPaused: isPaused)
        }

        /// - Parameter stored: `nil` if the store has no such job.
        public func hold(forState stored: State?, isPaused: (QueueName) -> Bool) -> Bool {
            state == stored && openQueue.map(isPaused) != true
        }
    }

    /// The rows that change beside the log.
    public enum Rows: Hashable, Sendable {
        /// None. The last event of the log tells the job's progress.
        case none
        /// The job and its first stage are new.
        case insert
        /// The job and its current stage.
        case update
        /// The job, the stage that has succeeded, and a new row for the one that follows.
        case nextStage
        /// The current stage, which does not wait for a time any more.
        case stageIsDue
        /// The opaque checkpoint of the current stage.
        case checkpoint
    }

    /// Whom a plan wakes.
    public enum Wake: Hashable, Sendable {
        case nobody
        /// The stage can be claimed. A store tells nobody while the queue is paused.
        case ready(QueueName)
        /// The stage can be claimed from this time on, which is on the steady clock.
        case later(QueueName, Timestamp)
    }

    /// How a job ends, with what its row keeps of that.
    public enum Ending: Hashable, Sendable {
        case succeeded(output: JSONValue)
        case failed(JobError)
        case canceled
    }

    /// `nil` if the job goes on, or was over before.
    public var ending: Ending? {
        switch events.last?.event.change {
        case .succeeded(let output, _): .succeeded(output: output)
        case .failed(let error): .failed(error)
        case .canceled: .canceled
        default: nil
        }
    }

    /// Whether the plan changes nothing, such as a second cancel.
    public var isEmpty: Bool { events.isEmpty && rows == .none }
}

/// An event with its text. Every reader gets the text as it is.
public struct PlannedEvent: Hashable, Sendable {
    public let event: JobEvent
    /// ``JobEvent/payload()``.
    public let payload: String

    public init(_ event: JobEvent) {
        self.event = event
        payload = event.payload()
    }
}
