extension JobEvent {
    /// The members of this event as a JSON object, in a fixed order. The store keeps this text, and
    /// every reader gets it unchanged.
    public func payload() -> String {
        // Most events fit into this capacity, so the buffer does not grow.
        var object = JSONWriter(capacity: 160)
        object.beginObject()
        object.member("progress", progress.value)
        switch change {
        case .queued(let pipeline, let stages, let priority):
            object.member("pipeline", pipeline.description)
            object.member("stages", stages.map(\.description))
            object.member("priority", Int64(priority.rawValue))
        case .started(let stage), .cancelRequested(let stage):
            object.member("stage", stage.description)
        case .stageStarted(let number, let attempt, let queue):
            object.members(of: number)
            object.member("attempt", Int64(attempt))
            object.member("queue", queue.description)
        case .stageProgress(let number, let progress, let message):
            object.members(of: number)
            object.member("stage_progress", progress.value)
            object.member("message", message)
        case .artifactCreated(let artifact, let stage):
            object.member("stage", stage.description)
            object.member("name", artifact.name.description)
            object.member("content_type", artifact.type)
            object.member("bytes", artifact.content.bytes)
            object.member("sha256", artifact.content.hash.hex)
            object.member("role", artifact.role.rawValue)
        case .stageSucceeded(let number, let seconds):
            object.members(of: number)
            object.member("duration_seconds", seconds)
        case .stageRetrying(let stage, let attempt, let delay, let error):
            object.member("stage", stage.description)
            object.member("attempt", Int64(attempt))
            object.member("delay_seconds", delay.inSeconds)
            error.write(as: "error", into: &object)
        case .interrupted(let reason, let stage):
            object.member("reason", reason.rawValue)
            object.member("stage", stage.description)
        case .resumed(let reason, let stage, let progress):
            object.member("reason", reason.rawValue)
            object.member("stage", stage.description)
            object.member("stage_progress", progress.value)
        case .succeeded(let output, let seconds):
            object.member("output", output)
            object.member("duration_seconds", seconds)
        case .failed(let error):
            error.write(as: "error", into: &object)
        case .canceled:
            break
        }
        if type.isFinal {
            object.member("final", true)
        }
        object.endObject()
        return object.text
    }
}

extension JSONWriter {
    fileprivate mutating func members(of number: StageNumber) {
        member("stage", number.stage.description)
        member("index", Int64(number.index))
        member("of", Int64(number.of))
    }
}

extension Duration {
    /// The duration in seconds, truncated to milliseconds.
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds * 1000 + attoseconds / 1_000_000_000_000_000) / 1000
    }
}
