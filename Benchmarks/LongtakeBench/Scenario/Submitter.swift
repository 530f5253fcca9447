import NIOCore

/// Submits on many connections of one loop, on each one job after the other, and stays on that loop: a change of thread for each request would
/// cost the driver more than the request.
final class Submitter {
    private let lines: [RequestConnection]
    private let end: Int64
    private let ended: EventLoopPromise<SubmissionLoad.Outcome>
    private var outcome = SubmissionLoad.Outcome()
    /// How many connections are still at it.
    private var active = 0

    private init(_ lines: [RequestConnection], _ end: Int64, _ ended: EventLoopPromise<SubmissionLoad.Outcome>) {
        self.lines = lines
        self.end = end
        self.ended = ended
    }

    /// - Parameter end: in microseconds since 1970; what was sent before it is waited for.
    /// - Returns: what was accepted, and how long that took.
    static func run(on lines: [RequestConnection], until end: Int64) async throws -> SubmissionLoad.Outcome {
        guard let loop = lines.first?.loop else { return SubmissionLoad.Outcome() }
        let ended = loop.makePromise(of: SubmissionLoad.Outcome.self)
        loop.execute {
            let submitter = Submitter(lines, end, ended)
            submitter.active = lines.count
            for line in lines.indices { submitter.submit(on: line) }
        }
        return try await ended.futureResult.get()
    }

    private func submit(on line: Int) {
        let sent = WallTime.microseconds()
        guard sent < end else {
            active -= 1
            if active == 0 { ended.succeed(outcome) }
            return
        }
        let request = JobDesk.submission(to: "quiet", number: outcome.accepted)
        lines[line].send(request).assumeIsolated().whenComplete { answer in
            do {
                let answer = try answer.get()
                guard answer.status == 201 else { throw BenchFailure(refusing: answer) }
            } catch {
                return self.ended.fail(error)
            }
            self.outcome.latencies.record(microseconds: WallTime.microseconds() - sent)
            self.outcome.accepted += 1
            self.submit(on: line)
        }
    }
}

extension BenchFailure {
    init(refusing answer: Answer) {
        self.init("a submission was answered with \(answer.status): \(String(buffer: answer.body))")
    }
}
