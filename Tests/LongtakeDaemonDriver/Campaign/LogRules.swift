/// What the log of every finished job keeps, whatever happened on the way.
struct LogRules {
    /// Whether the job's own simulation fails: nothing else may burn an attempt.
    let allowsRetries: Bool

    func broken(by log: [String], state: String) -> [Violation] {
        var broken: [Violation] = []
        let events = log.compactMap { try? JSON.object($0) }
        guard events.count == log.count, !events.isEmpty else { return [Violation(.log, "its log cannot be read")] }
        for (index, event) in events.enumerated() where event["seq"] as? Double != Double(index + 1) {
            broken.append(Violation(.log, "number \(index + 1) is \(log[index])"))
        }
        let ends = log.indices.compactMap { index in JobLog.end(of: log[index]).map { (index, $0) } }
        if ends.count != 1 || ends[0].0 != log.count - 1 || ends[0].1 != state {
            broken.append(Violation(.oneEnd, "it is \(state), and its final events are \(ends) of \(log.count)"))
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
            // A stage that begins anew was given up by an owner before.
            if type == "stage.started", !owned.insert(stage).inserted {
                broken.append(Violation(.stages, "\(stage) begins while it has an owner"))
            }
            if type == "stage.retrying" { owned.remove(stage) }
            if !allowsRetries,
                type == "stage.retrying" || type == "job.failed" || (event["attempt"] as? Double ?? 1) > 1
            {
                broken.append(
                    Violation(.stages, "an attempt is burned that the work did not fail: \(type) of \(stage)"))
            }
        }
        return broken
    }
}
