import FoundationEssentials
import Glibc

/// Compares the history, the daemon and its database, and reports violations. All faults use this
/// checker.
package struct Checker {
    let daemon: DaemonProcess
    let history: History
    /// The number of cursors to try for each event log.
    private static let cursors = 3

    package init(daemon: DaemonProcess, history: History) {
        self.daemon = daemon
        self.history = history
    }

    // MARK: During the faults

    /// The second half of O4, right after a start: every running stage was started or resumed by
    /// this process.
    /// - Parameter start: the wall-clock time before the start.
    package func checkOwners(since start: Timestamp) {
        guard let jobs = try? list("?state=running&limit=200") else {
            return history.violated(.honesty, "it is ready, but the list is empty")
        }
        for job in jobs {
            // A job is also `running` while its stage waits.
            let stages = (job["stages"] as? [Any] ?? []).compactMap { $0 as? [String: Any] }
            guard stages.contains(where: { $0["state"] as? String == "running" }), let id = job["id"] as? String,
                let page = try? daemon.get("/v1/jobs/\(id)/events?limit=1000", "Accept: application/json").object(),
                let events = page["events"] as? [Any]
            else { continue }
            let claims = events.compactMap { $0 as? [String: Any] }.filter {
                ["stage.started", "job.resumed"].contains($0["type"] as? String)
            }
            guard let at = claims.last?["at"] as? String, at < start.text else { continue }
            history.violated(.progress, "\(id) runs without an owner since \(at)")
        }
    }

    // MARK: After the faults

    /// Waits until all jobs have ended, checks the history, stops the daemon and checks the file.
    package func checkAll(within seconds: Double, using generator: inout SeededGenerator) throws {
        let deadline = Deadline(seconds)
        while let job = try list("?state=running&limit=1").first ?? list("?state=queued&limit=1").first {
            guard !deadline.isOver else {
                return history.violated(.progress, "\(job["id"] ?? "") is still \(job["state"] ?? "")")
            }
            poll(nil, 0, 50)
        }
        for (id, job) in history.jobs.sorted(by: { $0.key < $1.key }) { try check(id, job, &generator) }
        try checkOthers()
        let status = daemon.stop()
        if status != 0 {
            history.violated(.progress, "the shutdown ended with \(status.map(String.init) ?? "nothing")")
        }
        try checkStorage()
    }

    private func check(_ id: String, _ job: History.Acknowledged, _ generator: inout SeededGenerator) throws {
        let answer = try daemon.get("/v1/jobs/\(id)")
        guard answer.status == 200, let document = try? answer.object() else {
            return history.violated(.acknowledged, "\(id) was acknowledged and returns \(answer.status)")
        }
        if (document["input"] as? [String: Any])?["prompt"] as? String != job.prompt {
            history.violated(.acknowledged, "\(id) has another input than the acknowledged one")
        }
        let state = document["state"] as? String ?? ""
        history.ended(id, as: state)
        if job.isCanceled, state != "canceled" {
            history.violated(.acknowledged, "\(id) accepted a cancel request and has \(state)")
        }
        let log = try page(of: id, after: 0)
        try checkLines(of: id, log: log)
        if history.whole[id] != log.count {
            let count = history.whole[id].map(String.init) ?? "none"
            history.violated(.resume, "\(id) has \(log.count) events, and its follower received \(count)")
        }
        for line in LogRules(allowsRetries: job.fails).broken(by: log, state: state) {
            history.violated(line.oracle, "\(id): \(line.text)")
        }
        if state != "succeeded", !job.isCancelAsked, !job.fails {
            history.violated(.finalEvent, "\(id) is \(state) without a reason")
        }
        try checkKey(id, job)
        let last = log.last.flatMap { try? JSON.object($0)["id"] as? String }
        if document["last_event_id"] as? String != last {
            history.violated(.finalEvent, "\(id) has another last_event_id than its event log")
        }
        for _ in 0..<Self.cursors {
            let after = generator.draw(0...log.count)
            if try page(of: id, after: after) != Array(log[after...]) {
                history.violated(.log, "\(id) reads differently from \(after)")
            }
        }
    }

    /// The idempotency key still returns the job.
    private func checkKey(_ id: String, _ job: History.Acknowledged) throws {
        guard let key = job.key else { return }
        let answer = try daemon.post("/v1/jobs", job.body, "Idempotency-Key: \(key)", within: 10)
        let job = try answer.object()["id"] as? String
        if answer.status != 200 || answer["idempotent-replayed"] == nil || job != id {
            history.violated(.acknowledged, "the key \(key) of \(id) returns \(answer.status): \(answer.body)")
        }
    }

    /// Checks every job in the list, acknowledged or not: each prompt occurs once and its event log
    /// is complete.
    private func checkOthers() throws {
        var (prompts, cursor) = ([String: String](), "")
        repeat {
            let answer = try daemon.get("/v1/jobs?limit=200" + cursor)
            let page = try answer.object()
            for case let job as [String: Any] in page["jobs"] as? [Any] ?? [] {
                let id = job["id"] as? String ?? ""
                let prompt = (job["input"] as? [String: Any])?["prompt"] as? String ?? ""
                if let other = prompts.updateValue(id, forKey: prompt) {
                    history.violated(.acknowledged, "“\(prompt)” was submitted once, and created \(other) and \(id)")
                }
                guard history.jobs[id] == nil else { continue }
                let log = try self.page(of: id, after: 0)
                try checkLines(of: id, log: log)
                for line in LogRules(allowsRetries: true).broken(by: log, state: job["state"] as? String ?? "") {
                    history.violated(line.oracle, "\(id): \(line.text)")
                }
            }
            cursor = (page["next"] as? String).map { "&cursor=\($0)" } ?? ""
        } while !cursor.isEmpty
        let known = Set(prompts.values)
        for id in history.received where !known.contains(id) {
            history.violated(.log, "clients received events of \(id), which does not exist")
        }
    }

    /// O6, between two processes: the limit is 64 MB plus one transaction and its checkpoint.
    package func checkLogSize() {
        var log = stat()
        if stat(daemon.directory + "/data/longtake.db-wal", &log) == 0, log.st_size > 80 << 20 {
            history.violated(.storage, "the WAL has \(log.st_size) bytes")
        }
    }

    /// Compares the received lines with the event log.
    private func checkLines(of id: String, log: [String]) throws {
        for (number, line) in history.lines(of: id) where number > log.count || log[number - 1] != line {
            let now = number > log.count ? "not there" : log[number - 1]
            history.violated(.log, "\(id) number \(number) was received as\n  \(line)\nand is\n  \(now)")
        }
    }

    /// O6, while no daemon uses the file.
    package func checkStorage() throws {
        let data = daemon.directory + "/data"
        let (status, output) = try DaemonProcess.run(["check", "--data", data], within: 60)
        if status != 0 { history.violated(.storage, output) }
        try DatabaseFile(data).check()
        var log = stat()
        if stat(data + "/longtake.db-wal", &log) == 0, log.st_size > 0 {
            history.violated(.storage, "a graceful shutdown left a WAL of \(log.st_size) bytes")
        }
    }

    // MARK: Reading

    private func list(_ query: String) throws -> [[String: Any]] {
        let answer = try daemon.get("/v1/jobs" + query)
        guard answer.status == 200 else { throw DaemonProcess.DidNotStart(description: answer.body) }
        return (try answer.object()["jobs"] as? [Any] ?? []).compactMap { $0 as? [String: Any] }
    }

    /// The event log of a finished job after a number, as bytes of an NDJSON stream.
    private func page(of id: String, after number: Int) throws -> [String] {
        let answer = try daemon.get(
            "/v1/jobs/\(id)/events?after=\(number)", "Accept: application/x-ndjson", "Connection: close")
        guard answer.status == 200 else {
            if answer.status != 204 { history.violated(.honesty, "the event log of \(id) returns \(answer.status)") }
            return []
        }
        return answer.body.split(separator: "\n").map(String.init)
    }
}

/// A time in the format of the API, for comparisons as text.
package struct Timestamp {
    package let text: String

    package static var now: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        let fields = [
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour), Int(parts.tm_min),
            Int(parts.tm_sec),
        ].map { $0 < 10 ? "0\($0)" : "\($0)" }
        let milliseconds = String("00\(now.tv_nsec / 1_000_000)".suffix(3))
        return Timestamp(
            text: "\(fields[0])-\(fields[1])-\(fields[2])T\(fields[3]):\(fields[4]):\(fields[5]).\(milliseconds)Z")
    }
}

/// The rules of the event log of every finished job.
struct LogRules {
    /// Whether the job's simulation fails. Nothing else may cause another attempt.
    let allowsRetries: Bool

    func broken(by log: [String], state: String) -> [Violation] {
        var broken: [Violation] = []
        let events = log.compactMap { try? JSON.object($0) }
        guard events.count == log.count, !events.isEmpty else {
            return [Violation(.log, "its event log cannot be read")]
        }
        for (index, event) in events.enumerated() where event["seq"] as? Double != Double(index + 1) {
            broken.append(Violation(.log, "number \(index + 1) is \(log[index])"))
        }
        let ends = log.indices.compactMap { index in JobLog.end(of: log[index]).map { (index, $0) } }
        if ends.count != 1 || ends[0].0 != log.count - 1 || ends[0].1 != state {
            broken.append(Violation(.finalEvent, "it is \(state), and its final events are \(ends) of \(log.count)"))
        }
        broken += stages(events)
        return broken
    }

    private func stages(_ events: [[String: Any]]) -> [Violation] {
        var broken: [Violation] = []
        var progress = -1.0
        var succeeded: Set<String> = []
        var owned: Set<String> = []
        for event in events {
            let (type, stage) = (event["type"] as? String ?? "", event["stage"] as? String ?? "")
            let value = event["progress"] as? Double ?? -1
            if value < progress || (type != "job.succeeded" && value >= 1) {
                broken.append(Violation(.log, "the progress goes from \(progress) to \(value) at \(type)"))
            }
            progress = value
            if type == "stage.succeeded", !succeeded.insert(stage).inserted {
                broken.append(Violation(.stages, "\(stage) succeeds twice"))
            }
            if ["stage.started", "stage.progress", "job.resumed"].contains(type), succeeded.contains(stage) {
                broken.append(Violation(.stages, "\(type) of \(stage), which has succeeded"))
            }
            // A stage that begins again was released by its previous owner.
            if type == "stage.started", !owned.insert(stage).inserted {
                broken.append(Violation(.stages, "\(stage) begins while it has an owner"))
            }
            if type == "stage.retrying" { owned.remove(stage) }
            if !allowsRetries,
                type == "stage.retrying" || type == "job.failed" || (event["attempt"] as? Double ?? 1) > 1
            {
                broken.append(
                    Violation(.stages, "an attempt was used up without a failure of the work: \(type) of \(stage)"))
            }
        }
        return broken
    }
}

/// The oracles of the fault tests: the guarantees that must hold under every fault. The names are
/// those of docs/reliability.md.
package enum Oracle: String, Sendable, CaseIterable {
    /// An acknowledged job exists after any crash, once, with its input and its key.
    case acknowledged = "O1 acknowledged jobs are kept"
    /// The event log of a job is 1…n without gaps, duplicates or changes to events that a client
    /// has received.
    case log = "O2 the event log"
    /// There is one final event, it is the last, and the job matches it.
    case finalEvent = "O3 one final event"
    /// After the faults every job ends, and every running stage has a live owner.
    case progress = "O4 progress"
    /// No stage begins again after it succeeded, and only failures of the work count as attempts.
    case stages = "O5 stages"
    /// The database has no errors, and its WAL is bounded.
    case storage = "O6 storage"
    /// The daemon neither acknowledges nor streams what it cannot persist. Then `readyz` says so,
    /// and nothing hangs.
    case honesty = "O7 honesty"
    /// A client that is disconnected anywhere receives exactly the event log.
    case resume = "O8 resume"
}

/// A violation of an oracle.
package struct Violation: Hashable, Sendable, CustomStringConvertible {
    package let oracle: Oracle
    package let text: String

    package init(_ oracle: Oracle, _ text: String) {
        self.oracle = oracle
        self.text = text
    }

    package var description: String { "\(oracle.rawValue): \(text)" }
}
