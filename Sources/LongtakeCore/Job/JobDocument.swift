/// A job as clients see it in JSON: every member is always there, `null` if it has no value, in the order of docs/api.md.
public struct JobDocument: Sendable {
    public let job: Job
    /// Lists leave `queue_position` out, because counting it costs a query for each job.
    public let includesQueuePosition: Bool
    /// Is part of the link to the events, so that whoever gets the link may open it; `nil` for none.
    public let ticket: String?
    /// Stands before the path in each link: the public address of the daemon, or nothing.
    public let linkBase: String

    public init(_ job: Job, includesQueuePosition: Bool = true, ticket: String? = nil, linkBase: String) {
        self.job = job
        self.includesQueuePosition = includesQueuePosition
        self.ticket = ticket
        self.linkBase = linkBase
    }

    /// The document as one line of JSON.
    public var json: String {
        var json = JSONWriter(capacity: 1_536)
        write(into: &json)
        return json.text
    }

    package func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("id", job.id.description)
        json.member("state", job.state.rawValue)
        json.member("progress", job.progress.value)
        json.member("stage", orNull: job.stage?.description)
        json.member("pipeline", job.pipeline.description)
        json.name("stages")
        json.beginArray()
        for stage in job.stages { stage.write(into: &json) }
        json.endArray()
        if includesQueuePosition {
            json.name("queue_position")
            if let position = job.queuePosition { json.value(Int64(position)) } else { json.null() }
        }
        json.member("input", job.input)
        json.member("output", job.output ?? .null)
        if let error = job.error { error.write(as: "error", into: &json) } else { json.member("error", .null) }
        json.member("priority", Int64(job.priority.rawValue))
        json.name("metadata")
        json.beginObject()
        for (name, text) in job.metadata.sorted(by: { $0.key < $1.key }) {
            json.name(name)
            json.value(text)
        }
        json.endObject()
        json.member("cancel_requested", job.cancelRequested)
        json.member("retry_of", orNull: job.retryOf?.description)
        json.member("created_at", job.createdAt.description)
        json.member("started_at", orNull: job.startedAt?.description)
        json.member("finished_at", orNull: job.finishedAt?.description)
        json.member("last_event_id", job.lastEvent.description)
        writeLinks(into: &json)
        json.endObject()
    }

    private func writeLinks(into json: inout JSONWriter) {
        let path = "\(linkBase)/v1/jobs/\(job.id)"
        json.name("links")
        json.beginObject()
        json.member("self", path)
        json.member("events", "\(path)/events" + (ticket.map { "?ticket=\($0)" } ?? ""))
        json.member("cancel", "\(path)/cancel")
        json.endObject()
    }
}

extension Job.Stage {
    fileprivate func write(into json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name.description)
        json.member("queue", queue.description)
        json.member("state", state.rawValue)
        json.member("progress", progress.value)
        json.member("attempt", Int64(attempt))
        json.member("started_at", orNull: startedAt?.description)
        json.member("finished_at", orNull: finishedAt?.description)
        json.endObject()
    }
}
