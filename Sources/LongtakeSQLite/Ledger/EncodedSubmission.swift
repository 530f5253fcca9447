import LongtakeCore
import Synchronization

/// A submission with all texts that it will write. The caller encodes them, because the writer has
/// one thread for all callers.
struct EncodedSubmission: Sendable {
    let prepared: PreparedSubmission
    let definition: String
    let input: String
    let metadata: String
    let simulation: String?

    var submission: Submission { prepared.submission }

    init(_ submission: Submission, texts: PipelineTexts) throws {
        prepared = try PreparedSubmission(submission)
        definition = try texts.text(of: submission.pipeline)
        input = try JSONText.encode(submission.input)
        metadata = submission.metadata.isEmpty ? "{}" : try JSONText.encode(submission.metadata)
        simulation = try submission.simulation.map { try JSONText.encode($0) }
    }

    /// The job as a client sees it right after the commit.
    /// - Parameter facts: the facts after the plan.
    func job(_ facts: JobFacts, createdAt time: Timestamp, queuePosition: Int, epoch: Epoch) -> Job {
        var stages = submission.pipeline.stages.map {
            Job.Stage(
                name: $0.name, queue: $0.queue, state: .pending, progress: .none, attempt: 0, startedAt: nil,
                finishedAt: nil)
        }
        stages[facts.life.stageIndex].state = facts.life.stageState
        return Job(
            id: submission.id, tenant: submission.tenant, pipeline: submission.pipeline.name, state: facts.life.state,
            progress: facts.life.progress, stage: nil, stages: stages, queuePosition: queuePosition,
            input: submission.input, output: nil, error: nil, priority: submission.priority,
            metadata: submission.metadata, simulation: submission.simulation, cancelRequested: false,
            retryOf: submission.retryOf, createdAt: time, startedAt: nil,
            finishedAt: nil, lastEvent: EventID(epoch: epoch, sequence: facts.head))
    }
}

/// The JSON of recently submitted pipelines.
///
/// A pipeline is planned for each input, but most plans are equal, and encoding one takes longer
/// than writing all rows of its job.
final class PipelineTexts: Sendable {
    private let known = Mutex<[Pipeline: String]>([:])
    /// If there are more texts, the cache starts empty again. Each takes a few kilobytes.
    private static let most = 256

    func text(of pipeline: Pipeline) throws -> String {
        if let text = known.withLock({ $0[pipeline] }) { return text }
        let text = try JSONText.encode(pipeline)
        known.withLock {
            if $0.count >= Self.most { $0.removeAll(keepingCapacity: true) }
            $0[pipeline] = text
        }
        return text
    }
}
