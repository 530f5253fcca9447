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
        let wish =
            accept.names(MediaTypes.eventStream)
            ? try StreamOpener.Wish(
                Query(request), accept, type: MediaTypes.eventStream, heartbeat: hub.configuration.heartbeat) : nil
        guard wish != nil || accept.choose(from: [MediaTypes.json]) != nil else {
            throw Problem.notAcceptable("\(MediaTypes.json), \(MediaTypes.eventStream)")
        }
        let lasting = try ticketLasts(request, context.caller)
        guard admission.isOpen else { throw Problem.draining }
        let wait = try Preferences(request.headers[.prefer]).wait
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
        if let wish {
            response = try await opener.open(
                job.id, for: context.caller, cursor: Cursor(request.headers[.lastEventID]),
                wish: wish, status: outcome.isReplay ? .ok : .created, in: context.exchange)
        } else {
            let ticket = try lasting.flatMap {
                try access.ticket(for: context.caller, jobs: [job.id], lasting: $0)?.text
            }
            response = try await .job(
                ended(job, wait, context), status: outcome.isReplay ? .ok : .created, ticket: ticket)
        }
        response.headers[.location] = "/v1/jobs/\(job.id)"
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

    /// The job that was submitted; where the client would wait for that, when it is final.
    private func ended(_ job: Job, _ wait: Duration?, _ context: DaemonRequestContext) async -> (Job, isWaited: Bool) {
        guard let wait else { return (job, false) }
        do {
            return (
                try await JobWait(
                    journal: journal, hub: hub, limit: wait, caller: context.caller, exchange: context.exchange
                ).end(of: job), true
            )
        } catch {
            // The job is there, and no trouble with waiting for it is a reason to say anything else.
            return (job, false)
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
        return try .json(JobList(page: page, epoch: journal.epoch))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireJSON()
        let wait = try Preferences(request.headers[.prefer]).wait
        let known = try KnownTags.read(request.headers[.ifNoneMatch])
        guard var job = try await journal.job(try context.jobID(), of: context.caller.tenant) else {
            throw Problem.noSuchJob
        }
        if let wait {
            let wait = JobWait(
                journal: journal, hub: hub, limit: wait, caller: context.caller, exchange: context.exchange)
            job = if let known { try await wait.change(of: job, from: known) } else { try await wait.end(of: job) }
        }
        var response = try Response.job((job, isWaited: wait != nil))
        if known?.contains(EntityTag(job)) == true { (response.status, response.body) = (.notModified, .init()) }
        return response
    }
}

extension Response {
    /// A job, and by which tag it is known.
    fileprivate static func job(
        _ job: (job: Job, isWaited: Bool), status: HTTPResponse.Status = .ok, ticket: String? = nil
    ) throws -> Response {
        var response = try json(JobDocument(job.job, ticket: ticket), status: status)
        response.headers[.eTag] = "\(EntityTag(job.job))"
        if job.isWaited { response.headers[.preferenceApplied] = "wait" }
        return response
    }
}

private struct JobList: Encodable {
    let page: JobPage
    let epoch: Epoch

    private enum Key: String, CodingKey {
        case jobs, next
        case lastEventID = "last_event_id"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(page.jobs.map { JobDocument($0, includesQueuePosition: false) }, forKey: .jobs)
        try container.encode(page.next?.description, forKey: .next)
        try container.encode("\(FeedID(epoch: epoch, position: page.position))", forKey: .lastEventID)
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
