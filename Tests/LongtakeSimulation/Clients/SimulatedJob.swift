import LongtakeCore

/// A submission of a client, and the responses it got. Unchecked, because the simulation has one
/// thread.
final class SimulatedJob: @unchecked Sendable {
    static let cpu = QueueName(unchecked: "cpu")
    static let gpu = QueueName(unchecked: "gpu")
    static let tenants = [TenantName(unchecked: "ann"), TenantName(unchecked: "bob")]

    let tenant: TenantName
    let pipeline: Pipeline
    let input: JSONValue
    let priority: Priority
    let simulation: Simulation?
    let key: String?
    /// The job id in a response.
    var acknowledged: JobID?
    /// A cancel got its response while the job was not final.
    var isCanceled = false
    var isInFlight = false

    /// The job that this one retries.
    let retryOf: JobID?

    /// - Parameter tenant: the owner; `nil` for a random one.
    init(number: Int, of tenant: TenantName? = nil, _ chance: Chance) {
        retryOf = nil
        self.tenant = tenant ?? chance.one(of: Self.tenants)
        let names = ["plan", "frames", "encode"]
        let stages = names.prefix(1 + chance.below(3)).map { name in
            Stage(
                name: StageName(unchecked: name), queue: chance.one(of: [Self.cpu, Self.gpu]),
                expectedSeconds: Double(1 + chance.below(8)) / (chance.isOne(in: 5) ? 0.4 : 4),
                timeLimitSeconds: chance.isOne(in: 8) ? 1 : nil,
                work: .simulated(
                    SimulatedWork(
                        steps: 1 + chance.below(4), message: "{step} of {steps}", lengthSeconds: 1,
                        output: .object(["from": .string(name)]))))
        }
        pipeline = Pipeline(name: PipelineName(unchecked: chance.one(of: ["clip", "still"])), stages: stages)
        input = .object(["prompt": .string("job \(number)"), "seed": .integer(Int64(chance.below(1_000)))])
        priority = Priority(chance.below(3) - 1) ?? .normal
        simulation =
            chance.isOne(in: 3)
            ? Simulation(
                failStage: chance.one(of: stages).name, failTimes: 1 + chance.below(3),
                failAt: Double(chance.below(5)) / 4, fatal: chance.isOne(in: 5)) : nil
        key = chance.isOne(in: 3) ? nil : "key \(number)"
    }

    /// A retry of a job that failed or was canceled.
    init(number: Int, retryOf origin: JobID, _ job: SimulatedJob, _ chance: Chance) {
        retryOf = origin
        (tenant, pipeline, input, priority) = (job.tenant, job.pipeline, job.input, job.priority)
        simulation = job.simulation
        key = chance.isOne(in: 3) ? nil : "key \(number)"
    }

    /// A repeated submission has another id, as in the daemon.
    func submission(_ id: JobID) -> Submission {
        Submission(
            id: id, tenant: tenant, pipeline: pipeline, input: input, priority: priority, simulation: simulation,
            idempotencyKey: key, retryOf: retryOf)
    }

    static func id(_ number: Int) -> JobID? {
        let digits = String(number)
        return JobID("job_" + String(repeating: "0", count: 26 - digits.count) + digits)
    }
}
