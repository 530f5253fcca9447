import Synchronization

/// Records what the daemon told its clients across all its processes. It must never contradict that
/// later.
package final class History: Sendable {
    /// A job whose submission was acknowledged.
    package struct Acknowledged: Sendable {
        package let prompt: String
        package let key: String?
        /// The input as sent.
        package let body: String
        /// Whether its simulation is to fail, so that several attempts are expected.
        package let fails: Bool
        /// Whether a client requested to cancel it.
        package var isCancelAsked = false
        /// Whether a cancel request returned 202.
        package var isCanceled = false
        /// The final state that a client received, if any.
        package var end: String?
    }

    package struct Counts: Sendable {
        package var submitted = 0
        /// Requests whose response said that nothing was accepted.
        package var refused = 0
        /// Requests without a response: the job may or may not exist.
        package var unanswered = 0
        /// Responses to repeated keys.
        package var replayed = 0
        /// The number of reconnects.
        package var resumed = 0
        package var events = 0
    }

    private struct State {
        var jobs: [String: Acknowledged] = [:]
        var keys: [String: String] = [:]
        /// The lines that clients received, by job and number.
        var lines: [String: [Int: String]] = [:]
        /// The number of lines that a client had received of a job when the stream ended.
        var whole: [String: Int] = [:]
        /// The last number of each job in the feed.
        var feed: [String: Int] = [:]
        var counts = Counts()
        var violations: [Violation] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var jobs: [String: Acknowledged] { state.withLock { $0.jobs } }
    package var counts: Counts { state.withLock { $0.counts } }
    package var violations: [Violation] { state.withLock { $0.violations } }
    package var whole: [String: Int] { state.withLock { $0.whole } }
    package var feed: [String: Int] { state.withLock { $0.feed } }

    package func lines(of job: String) -> [Int: String] { state.withLock { $0.lines[job] ?? [:] } }
    /// All jobs of which a client received a line.
    package var received: Set<String> { state.withLock { Set($0.lines.keys) } }

    package func count(_ change: (inout Counts) -> Void) { state.withLock { change(&$0.counts) } }

    package func violated(_ oracle: Oracle, _ text: String) {
        state.withLock { state in
            // One bug may cause thousands of violations.
            if state.violations.count < 50 { state.violations.append(Violation(oracle, text)) }
        }
    }

    /// A submission returned 201, or 200 for a known key.
    package func acknowledged(_ job: String, _ submission: Acknowledged, isReplay: Bool) {
        state.withLock { state in
            state.counts.submitted += isReplay ? 0 : 1
            state.counts.replayed += isReplay ? 1 : 0
            if let known = state.jobs[job], known.prompt != submission.prompt {
                state.violations.append(Violation(.acknowledged, "\(job) was given out for two submissions"))
            }
            if state.jobs[job] == nil { state.jobs[job] = submission }
            guard let key = submission.key else { return }
            if let other = state.keys.updateValue(job, forKey: key), other != job {
                state.violations.append(Violation(.acknowledged, "the key \(key) made \(other) and \(job)"))
            }
        }
    }

    package func cancelAsked(_ job: String) { state.withLock { $0.jobs[job]?.isCancelAsked = true } }

    package func canceled(_ job: String) { state.withLock { $0.jobs[job]?.isCanceled = true } }

    /// A job's document or event log says that the job has ended.
    package func ended(_ job: String, as end: String) {
        state.withLock { state in
            if let known = state.jobs[job]?.end, known != end {
                state.violations.append(Violation(.finalEvent, "\(job) ended as \(known), and as \(end)"))
            }
            state.jobs[job]?.end = end
        }
    }

    /// A client received a line of a job.
    package func read(_ line: String, number: Int, of job: String) {
        state.withLock { state in
            state.counts.events += 1
            guard let known = state.lines[job, default: [:]].updateValue(line, forKey: number), known != line else {
                return
            }
            state.violations.append(Violation(.log, "\(job) number \(number) was\n  \(known)\nand is\n  \(line)"))
        }
    }

    /// A client with this many lines of a job received the end of the stream.
    package func readWhole(_ job: String, count: Int) { state.withLock { $0.whole[job] = count } }

    /// The feed contains a job's events up to this number.
    package func fed(_ job: String, through number: Int) { state.withLock { $0.feed[job] = number } }
}
