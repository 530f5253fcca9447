import LongtakeCore

/// The job of which a grown database is full, and that is submitted to it: two stages of simulated work.
enum GrowthSample {
    static let queue = QueueName(unchecked: "gpu")
    /// Events of a job's life without reports: the job queued, started, succeeded; each of two stages started, succeeded.
    static let eventsWithoutReports = 7

    static func submission(_ clock: GrowthClock, key: String? = nil) -> Submission {
        var generator = SystemRandomNumberGenerator()
        return Submission(
            id: JobID(at: clock.now(), using: &generator), pipeline: pipeline,
            input: .object([
                "prompt": .string("a paper boat in the rain, seen from below, the street lamps out of focus"),
                "seconds": .number(8), "style": .string("film"),
            ]),
            metadata: ["project": "autumn", "shot": "014"], idempotencyKey: key)
    }

    private static let pipeline = Pipeline(
        name: PipelineName(unchecked: "text-to-video"),
        stages: ["frames", "encode"].map { name in
            Stage(
                name: StageName(unchecked: name), queue: queue, expectedSeconds: 60, timeLimitSeconds: nil,
                work: .simulated(
                    SimulatedWork(
                        steps: 192, message: "frame {step} of {steps}, {seconds} s left", lengthSeconds: 8,
                        output: nil)))
        })
}

/// A clock that only has to go on.
struct GrowthClock: WallClock {
    private let begin = ContinuousClock.now

    func steady() -> Timestamp { now() }

    func now() -> Timestamp {
        Timestamp(millisecondsSince1970: 1_795_000_000_000).advanced(by: ContinuousClock.now - begin)
    }
}
