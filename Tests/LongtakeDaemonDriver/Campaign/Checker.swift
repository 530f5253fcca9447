import FoundationEssentials
import Glibc

/// Reads the history, the daemon and its database, and says what does not hold. The one checker of all faults.
package struct Checker {
    let daemon: DaemonProcess
    let history: History
    /// How many of the cursors of each log are tried.
    private static let cursors = 3

    package init(daemon: DaemonProcess, history: History) {
        self.daemon = daemon
        self.history = history
    }

    // MARK: While the faults are on

    /// O4, its second half, right after a start: what is running was taken up in this life.
    /// - Parameter start: the wall clock's time before it.
    package func checkOwners(since start: Timestamp) {
        guard let jobs = try? list("?state=running&limit=200") else {
            return history.violated(.honesty, "it is ready, and lists nothing")
        }
        for job in jobs {
            // A job also counts as running while its stage waits.
            let stages = (job["stages"] as? [Any] ?? []).compactMap { $0 as? [String: Any] }
            guard stages.contains(where: { $0["state"] as? String == "running" }), let id = job["id"] as? String,
                let page = try? daemon.get("/v1/jobs/\(id)/events?limit=1000", "Accept: application/json").object(),
                let events = page["events"] as? [Any]
            else { continue }
            let claims = events.compactMap { $0 as? [String: Any] }.filter {
                ["stage.started", "job.resumed"].contains($0["type"] as? String)
            }
            guard let at = claims.last?["at"] as? String, at < start.text else { continue }
            history.violated(.goesOn, "\(id) runs without an owner since \(at)")
        }
    }

    // MARK: When they are over

    /// Waits until all jobs have ended, checks all that anybody was told, stops the daemon and looks at the file.
    package func checkAll(within seconds: Double, using generator: inout SeededGenerator) throws {
        let deadline = Deadline(seconds)
        while let job = try list("?state=running&limit=1").first ?? list("?state=queued&limit=1").first {
            guard !deadline.isOver else {
                return history.violated(.goesOn, "\(job["id"] ?? "") is still \(job["state"] ?? "")")
            }
            poll(nil, 0, 50)
        }
        for (id, job) in history.jobs.sorted(by: { $0.key < $1.key }) { try check(id, job, &generator) }
        try checkOthers()
        let status = daemon.stop()
        if status != 0 {
            history.violated(.goesOn, "the orderly stop ended with \(status.map(String.init) ?? "nothing")")
        }
        try checkStorage()
    }

    private func check(_ id: String, _ job: History.Acknowledged, _ generator: inout SeededGenerator) throws {
        let answer = try daemon.get("/v1/jobs/\(id)")
        guard answer.status == 200, let document = try? answer.object() else {
            return history.violated(.acknowledged, "\(id) was acknowledged and is answered with \(answer.status)")
        }
        if (document["input"] as? [String: Any])?["prompt"] as? String != job.prompt {
            history.violated(.acknowledged, "\(id) has another input than was acknowledged")
        }
        let state = document["state"] as? String ?? ""
        history.ended(id, as: state)
        if job.isCanceled, state != "canceled" {
            history.violated(.acknowledged, "\(id) was to be canceled, which was accepted, and has \(state)")
        }
        let log = try page(of: id, after: 0)
        try checkLines(of: id, log: log)
        if history.whole[id] != log.count {
            let count = history.whole[id].map(String.init) ?? "none"
            history.violated(.resume, "\(id) has \(log.count) events, and its reader pieced \(count) together")
        }
        for line in LogRules(allowsRetries: job.fails).broken(by: log, state: state) {
            history.violated(line.oracle, "\(id): \(line.text)")
        }
        if state != "succeeded", !job.isCancelAsked, !job.fails {
            history.violated(.oneEnd, "\(id) is \(state), and nobody made it so")
        }
        try checkKey(id, job)
        let last = log.last.flatMap { try? JSON.object($0)["id"] as? String }
        if document["last_event_id"] as? String != last {
            history.violated(.oneEnd, "\(id) names another last event than its log has")
        }
        for _ in 0..<Self.cursors {
            let after = generator.draw(0...log.count)
            if try page(of: id, after: after) != Array(log[after...]) {
                history.violated(.log, "\(id) reads differently from \(after)")
            }
        }
    }

    /// The key still stands for the job.
    private func checkKey(_ id: String, _ job: History.Acknowledged) throws {
        guard let key = job.key else { return }
        let answer = try daemon.post("/v1/jobs", job.body, "Idempotency-Key: \(key)")
        let job = try answer.object()["id"] as? String
        if answer.status != 200 || answer["idempotent-replayed"] == nil || job != id {
            history.violated(.acknowledged, "the key \(key) of \(id) is answered with \(answer.status): \(answer.body)")
        }
    }

    /// Every job that is there, whether anybody was answered for it or not: each prompt once, and whole.
    private func checkOthers() throws {
        var (prompts, cursor) = ([String: String](), "")
        repeat {
            let answer = try daemon.get("/v1/jobs?limit=200" + cursor)
            let page = try answer.object()
            for case let job as [String: Any] in page["jobs"] as? [Any] ?? [] {
                let id = job["id"] as? String ?? ""
                let prompt = (job["input"] as? [String: Any])?["prompt"] as? String ?? ""
                if let other = prompts.updateValue(id, forKey: prompt) {
                    history.violated(.acknowledged, "“\(prompt)” was submitted once, and made \(other) and \(id)")
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
        for id in history.told where !known.contains(id) {
            history.violated(.log, "\(id) was told of, and is not there")
        }
    }

    /// O6, between two lives: 64 MB, and what one transaction and its checkpoint add.
    package func checkLogSize() {
        var log = stat()
        if stat(daemon.directory + "/data/longtake.db-wal", &log) == 0, log.st_size > 80 << 20 {
            history.violated(.storage, "the write-ahead log has \(log.st_size) bytes")
        }
    }

    /// What anybody was told is what the log says.
    private func checkLines(of id: String, log: [String]) throws {
        for (number, line) in history.lines(of: id) where number > log.count || log[number - 1] != line {
            let now = number > log.count ? "not there" : log[number - 1]
            history.violated(.log, "\(id) number \(number) was told as\n  \(line)\nand is\n  \(now)")
        }
    }

    /// O6, while no daemon has the file.
    package func checkStorage() throws {
        let data = daemon.directory + "/data"
        let (status, output) = try DaemonProcess.run(["check", "--data", data], within: 60)
        if status != 0 { history.violated(.storage, output) }
        try DatabaseFile(data).check()
        var log = stat()
        if stat(data + "/longtake.db-wal", &log) == 0, log.st_size > 0 {
            history.violated(.storage, "an orderly stop left a write-ahead log of \(log.st_size) bytes")
        }
    }

    // MARK: Reading

    private func list(_ query: String) throws -> [[String: Any]] {
        let answer = try daemon.get("/v1/jobs" + query)
        guard answer.status == 200 else { throw DaemonProcess.DidNotStart(description: answer.body) }
        return (try answer.object()["jobs"] as? [Any] ?? []).compactMap { $0 as? [String: Any] }
    }

    /// The lines of the log of a job that has ended, behind a number, as a stream of lines gives them: byte for byte.
    private func page(of id: String, after number: Int) throws -> [String] {
        let answer = try daemon.get(
            "/v1/jobs/\(id)/events?after=\(number)", "Accept: application/x-ndjson", "Connection: close")
        guard answer.status == 200 else {
            if answer.status != 204 { history.violated(.honesty, "the log of \(id) is answered with \(answer.status)") }
            return []
        }
        return answer.body.split(separator: "\n").map(String.init)
    }
}

/// A time as the API writes it, to be compared as text.
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
