/// Everything that finished runs have taught: the rows that a store keeps.
public struct EstimateHistory: Hashable, Sendable {
    public private(set) var stages: [StageKey: StageHistory] = [:]
    public private(set) var queues: [QueueName: QueueHistory] = [:]
    public private(set) var accuracies: [AccuracyKey: RecentRatios] = [:]

    /// The key of a row of ``stages``.
    public struct StageKey: Hashable, Sendable, Codable {
        public let pipeline: PipelineName
        public let stage: StageName

        public init(_ pipeline: PipelineName, _ stage: StageName) {
            self.pipeline = pipeline
            self.stage = stage
        }
    }

    /// The key of a row of ``accuracies``: actual ÷ predicted of the newest ends.
    public struct AccuracyKey: Hashable, Sendable, Codable {
        public let pipeline: PipelineName
        public let measure: Measure

        /// What was predicted.
        public enum Measure: Hashable, Sendable, Codable {
            /// The end of the job.
            case end(EstimatePhase)
            /// The first claim.
            case firstClaim

            /// The text of a row.
            public var name: String {
                switch self {
                case .end(let phase): phase.rawValue
                case .firstClaim: "first_claim"
                }
            }

            /// - Returns: `nil` for any other text than ``name``.
            public init?(name: String) {
                if name == Self.firstClaim.name {
                    self = .firstClaim
                } else if let phase = EstimatePhase(rawValue: name) {
                    self = .end(phase)
                } else {
                    return nil
                }
            }
        }

        public init(_ pipeline: PipelineName, _ measure: Measure) {
            self.pipeline = pipeline
            self.measure = measure
        }
    }

    public init() {}

    /// The history of stored rows.
    public init(
        stages: [StageKey: StageHistory], queues: [QueueName: QueueHistory], accuracies: [AccuracyKey: RecentRatios]
    ) {
        self.stages = stages
        self.queues = queues
        self.accuracies = accuracies
    }

    /// A stage has succeeded. It changes one row of ``stages`` and one of ``queues``, which belong
    /// to the transaction that ends the stage.
    /// - Returns: the keys of the changed rows.
    @discardableResult
    public mutating func add(_ run: StageRun) -> Set<Key> {
        let key = StageKey(run.pipeline, run.stage)
        stages[key, default: StageHistory()].add(run)
        queues[run.queue, default: QueueHistory()].add(run)
        return [.stage(key), .queue(run.queue)]
    }

    /// A job has succeeded. It changes at most one row of ``accuracies`` for each prediction, which
    /// belong to the transaction that ends the job.
    /// - Returns: the keys of the changed rows.
    @discardableResult
    public mutating func add(
        _ predictions: JobPredictions, of pipeline: PipelineName, endedAt end: Timestamp
    ) -> Set<Key> {
        var keys: Set<Key> = []
        for (measure, ratio) in predictions.ratios(endedAt: end) {
            let key = AccuracyKey(pipeline, measure)
            accuracies[key, default: RecentRatios(limit: EstimateLimits.ends)].add(ratio)
            keys.insert(.accuracy(key))
        }
        return keys
    }

    /// The key of a row.
    public enum Key: Hashable, Sendable {
        case stage(StageKey)
        case queue(QueueName)
        case accuracy(AccuracyKey)
    }

    /// A row, as a store writes it.
    public enum Row: Hashable, Sendable {
        case stage(StageKey, StageHistory)
        case queue(QueueName, QueueHistory)
        case accuracy(AccuracyKey, RecentRatios)
    }

    /// - Returns: `nil` if there is no such row.
    public func row(_ key: Key) -> Row? {
        switch key {
        case .stage(let key): stages[key].map { .stage(key, $0) }
        case .queue(let queue): queues[queue].map { .queue(queue, $0) }
        case .accuracy(let key): accuracies[key].map { .accuracy(key, $0) }
        }
    }

    /// Takes over a row that a store has read.
    public mutating func load(_ row: Row) {
        switch row {
        case .stage(let key, let history): stages[key] = history
        case .queue(let queue, let history): queues[queue] = history
        case .accuracy(let key, let ratios): accuracies[key] = ratios
        }
    }
}
