import HTTPTypes
import Hummingbird
import LongtakeCore
import LongtakeStream

/// Submitting jobs and looking at them.
struct JobRoutes: Sendable {
    let journal: any Journal
    let catalog: PipelineCatalog
    let clock: any WallClock
    let opener: StreamOpener
    let hub: StreamHub
    let access: Access
    /// Red while the daemon stops.
    let admission: Admission
    let random: @Sendable () -> UInt64
    /// See ``JobDocument/linkBase``.
    let linkBase: String
    /// Of the job's own address.
    let delete: RouteTable.Handler

    func register(on routes: inout RouteTable) {
        routes.add(
            "/v1/jobs",
            [
                .get: .needs(.read, list, query: QueryNames("state", "pipeline", "limit", "cursor")),
                .post: .needs(
                    .submit, submit, query: QueryNames("format", "heartbeat", "heartbeat_seconds", "ticket_ttl_seconds")
                ),
            ])
        routes.add(
            "/v1/jobs/{id}", [.get: .needs(.read, orTicket: true, show), .delete: .needs(.submit, delete)])
    }

    @Sendable private func submit(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let accept = Acceptance(request.headers[.accept])
        let isStreamed = accept.names(MediaTypes.eventStream)
        // Read in any case: a value that is out of bounds is refused whatever the client accepts, before a job is there.
        let wish = try StreamOpener.Wish(
            Query(request), accept, type: MediaTypes.eventStream, heartbeat: hub.configuration.heartbeat)
        guard isStreamed || accept.choose(from: [MediaTypes.json]) != nil else {
            throw Problem.notAcceptable("\(MediaTypes.json), \(MediaTypes.eventStream)")
        }
        let lasting = try ticketLasts(request, context.caller)
        guard admission.isOpen else { throw Problem.draining }
        let preferences = Preferences(request.headers[.prefer])
        let key = try request.idempotencyKey()
        if key == nil, let cursor = request.headers[.lastEventID], !cursor.isEmpty {
            throw Problem.badRequest(
                "A POST with Last-Event-ID would submit a second job; send an Idempotency-Key, or read the job's events."
            )
        }
        try request.requireJSONBody()
        let body = try SubmissionBody(try await request.body.collect(upTo: Limits.requestBodyBytes), catalog: catalog)
        var generator = ClosureGenerator(random: random)
        let outcome = try await journal.submit(
            Submission(
                id: JobID(at: clock.now(), using: &generator), tenant: context.caller.tenant, pipeline: body.pipeline,
                input: body.input,
                priority: body.priority, metadata: body.metadata, simulation: body.simulation, idempotencyKey: key))
        guard let job = outcome.job else { throw Problem.keyConflict }
        var response: Response
        if isStreamed {
            response = try await opener.open(
                job.id, for: context.caller, cursor: Cursor(request.headers[.lastEventID]),
                wish: wish, status: outcome.isReplay ? .ok : .created, in: context.exchange)
        } else {
            let ticket = try lasting.flatMap {
                try access.ticket(for: context.caller, jobs: [job.id], lasting: $0)?.text
            }
            let (job, applied) = await ended(job, preferences, context)
            response = show(job, applied, status: outcome.isReplay ? .ok : .created, ticket: ticket)
        }
        response.headers[.location] = "\(linkBase)/v1/jobs/\(job.id)"
        if outcome.isReplay { response.headers[.idempotentReplayed] = "true" }
        return response
    }

    /// How long a ticket is to be good for that the client asks for with the job.
    private func ticketLasts(_ request: Request, _ caller: Caller) throws(Problem) -> Duration? {
        guard let seconds = try Query(request).integer("ticket_ttl_seconds", in: Limits.ticketSeconds) else {
            return nil
        }
        // It reads, which not everybody may who submits.
        guard caller.rights.contains(.read) else { throw .rightMissing(.read) }
        return .seconds(seconds)
    }

    /// The job that was submitted, after the wait that the client asked for.
    private func ended(
        _ job: Job, _ preferences: Preferences, _ context: DaemonRequestContext
    ) async -> (Job, applied: String?) {
        guard let wait = preferences.wait else { return (job, nil) }
        do {
            return (
                try await JobWait(
                    journal: journal, hub: hub, limit: wait, caller: context.caller, exchange: context.exchange
                ).end(of: job), preferences.applied
            )
        } catch {
            // The job is stored, so the client gets it even if the wait fails.
            return (job, nil)
        }
    }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        try request.requireJSON()
        let state = try query.choice("state", of: JobState.allCases.map(\.rawValue)).flatMap(JobState.init)
        var wanted = JobQuery(
            tenant: context.caller.tenant, state: state,
            limit: try query.integer("limit", in: 1...Limits.jobsPerPage) ?? 50)
        if let text = query["pipeline"] {
            guard let pipeline = PipelineName(text) else {
                throw Problem.badQuery("pipeline", "is not the name of a pipeline")
            }
            wanted.pipeline = pipeline
        }
        if let text = query["cursor"], !text.isEmpty {
            guard let cursor = JobListCursor(text) else {
                throw Problem.badQuery("cursor", "is not one that a list gave out")
            }
            wanted.after = cursor
        }
        let page = try await journal.jobs(wanted)
        return .json(JobList(page: page, epoch: journal.epoch, linkBase: linkBase))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireJSON()
        let preferences = Preferences(request.headers[.prefer])
        let known = try KnownTags.read(request.headers[.ifNoneMatch])
        guard var job = try await journal.job(try context.jobID(), of: context.caller.tenant) else {
            throw Problem.noSuchJob
        }
        if let limit = preferences.wait {
            let wait = JobWait(
                journal: journal, hub: hub, limit: limit, caller: context.caller, exchange: context.exchange)
            job = if let known { try await wait.change(of: job, from: known) } else { try await wait.end(of: job) }
        }
        var response = show(job, preferences.wait == nil ? nil : preferences.applied)
        if known?.contains(EntityTag(job)) == true { (response.status, response.body) = (.notModified, .init()) }
        return response
    }

    /// A job with its `ETag`.
    /// - Parameter applied: what `Preference-Applied` says; `nil` if no preference was honoured.
    private func show(
        _ job: Job, _ applied: String?, status: HTTPResponse.Status = .ok, ticket: String? = nil
    ) -> Response {
        var response = Response.json(JobDocument(job, ticket: ticket, linkBase: linkBase), status: status)
        response.headers[.eTag] = "\(EntityTag(job))"
        response.headers[.preferenceApplied] = applied
        return response
    }
}

/// A page of jobs.
private struct JobList: JSONDocument {
    let page: JobPage
    let epoch: Epoch
    let linkBase: String

    func write(into json: inout JSONWriter) {
        json.beginObject()
        json.name("jobs")
        json.beginArray()
        for job in page.jobs {
            JobDocument(job, includesQueuePosition: false, linkBase: linkBase).write(into: &json)
        }
        json.endArray()
        json.member("next", orNull: page.next?.description)
        json.member("last_event_id", "\(FeedID(epoch: epoch, position: page.position))")
        json.endObject()
    }
}

extension SubmissionOutcome {
    var isReplay: Bool {
        if case .replayed = self { true } else { false }
    }
}

/// The injected source of chance as the standard library wants it.
struct ClosureGenerator: RandomNumberGenerator {
    let random: @Sendable () -> UInt64

    func next() -> UInt64 { random() }
}
