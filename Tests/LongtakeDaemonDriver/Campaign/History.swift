import Synchronization

/// Everything that any client of a daemon was told, over all of its lives: what the daemon may never take back.
package final class History: Sendable {
    /// A job that was answered for.
    package struct Acknowledged: Sendable {
        package let prompt: String
        package let key: String?
        /// As it was sent.
        package let body: String
        /// Whether its simulation was asked to fail, so that attempts are its own fault.
        package let fails: Bool
        /// Whether anybody asked to cancel it.
        package var isCancelAsked = false
        /// Whether a request to cancel it was answered with 202.
        package var isCanceled = false
        /// The final state that somebody was told, where somebody was.
        package var end: String?
    }

    package struct Counts: Sendable {
        package var submitted = 0
        /// Answered with an error that says that nothing was accepted.
        package var refused = 0
        /// Without an answer: the job may be there or not.
        package var unanswered = 0
        /// Answers to a key that had been sent before.
        package var replayed = 0
        /// Times that a reader was cut off, or cut itself off, and came back.
        package var resumed = 0
        package var events = 0
    }

    private struct State {
        var jobs: [String: Acknowledged] = [:]
        var keys: [String: String] = [:]
        /// By job, then by number in its log: the line that somebody was told.
        var lines: [String: [Int: String]] = [:]
        /// How many lines a reader had pieced together of a job's log when it was told that this is all.
        var whole: [String: Int] = [:]
        /// How far the feed of all jobs has given each log.
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
    /// All jobs of whose log anybody was told a line.
    package var told: Set<String> { state.withLock { Set($0.lines.keys) } }

    package func count(_ change: (inout Counts) -> Void) { state.withLock { change(&$0.counts) } }

    package func violated(_ oracle: Oracle, _ text: String) {
        state.withLock { state in
            // One broken thing may be seen by thousands.
            if state.violations.count < 50 { state.violations.append(Violation(oracle, text)) }
        }
    }

    /// A submission was answered with 201, or with 200 for a key that was known.
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

    /// A job's document or its log told that it has ended.
    package func ended(_ job: String, as end: String) {
        state.withLock { state in
            if let known = state.jobs[job]?.end, known != end {
                state.violations.append(Violation(.oneEnd, "\(job) ended as \(known), and as \(end)"))
            }
            state.jobs[job]?.end = end
        }
    }

    /// A reader was told a line of a job's log.
    package func read(_ line: String, number: Int, of job: String) {
        state.withLock { state in
            state.counts.events += 1
            guard let known = state.lines[job, default: [:]].updateValue(line, forKey: number), known != line else {
                return
            }
            state.violations.append(Violation(.log, "\(job) number \(number) was\n  \(known)\nand is\n  \(line)"))
        }
    }

    /// A reader that had taken so many lines of a job's log was told that there are no more.
    package func readWhole(_ job: String, count: Int) { state.withLock { $0.whole[job] = count } }

    /// The feed has given a job's log up to this number.
    package func fed(_ job: String, through number: Int) { state.withLock { $0.feed[job] = number } }
}
