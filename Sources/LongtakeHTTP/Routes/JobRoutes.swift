import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore
import LongtakeStream

/// Submits, lists and shows jobs.
struct JobRoutes: Sendable {
    let journal: any Journal
    let catalog: PipelineCatalog
    let clock: any WallClock
    let opener: StreamOpener
    let hub: StreamHub
    let access: AccessControl
    /// Closed while the daemon shuts down.
    let admission: Admission
    let random: @Sendable () -> UInt64
    let disk: DiskGate
    /// Builds the links in responses.
    let links: APILinks
    /// Handles `DELETE` for a job.
    let delete: RouteTable.Handler

    func register(on routes: inout RouteTable) {
        routes.add(
            "/v1/jobs",
            [
                .get: .needs(.read, list, query: QueryNames("state", "pipeline", "limit", "cursor")),
                .post: .needs(
                    .submit, submit,
                    query: QueryNames("estimate", "format", "heartbeat", "heartbeat_seconds", "ticket_ttl_seconds")
                ),
            ])
        routes.add(
            "/v1/jobs/{id}", [.get: .needs(.read, orTicket: true, show), .delete: .needs(.submit, delete)])
    }

    @Sendable private func submit(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let accept = AcceptHeader(request.headers[.accept])
        let isStreamed = accept.names(MediaTypes.eventStream)
        // Parsed for every representation, so that an invalid value is refused before the job is
        // submitted.
        let options = try StreamOptions(
            Query(request), accept, type: MediaTypes.eventStream, heartbeat: hub.configuration.heartbeat)
        guard isStreamed || accept.choose(from: [MediaTypes.json]) != nil else {
            throw Problem.notAcceptable("\(MediaTypes.json), \(MediaTypes.eventStream)")
        }
        let ticketLifetime = try ticketLifetime(request, context.caller)
        guard admission.isOpen else { throw Problem.draining }
        let preferences = Preferences(request.headers[.prefer])
        let key = try request.idempotencyKey()
        if key == nil, let cursor = request.headers[.lastEventID], !cursor.isEmpty {
            throw Problem.badRequest(
                "A POST with Last-Event-ID would submit a second job. Send an Idempotency-Key, or read the job's events."
            )
        }
        try request.requireJSONBody()
        let bytes = try await request.body.collect(upTo: HTTPLimits.requestBodyBytes)
        let body = try SubmissionBody(bytes, catalog: catalog)
        var generator = ClosureGenerator(random: random)
        let outcome = try await journal.submit(
            Submission(
                id: JobID(at: clock.now(), using: &generator), tenant: context.caller.tenant, pipeline: body.pipeline,
                input: body.input, priority: body.priority, metadata: body.metadata, simulation: body.simulation,
                idempotencyKey: key, files: body.files))
        guard let job = outcome.job else { throw Problem.keyConflict }
        var response: Response
        if isStreamed {
            response = try await opener.open(
                job.id, for: context.caller, cursor: Cursor(request.headers[.lastEventID]),
                options: options, status: outcome.isReplay ? .ok : .created, in: context.exchange)
        } else {
            let ticket = try ticketLifetime.flatMap {
                try access.ticket(for: context.caller, jobs: [job.id], lasting: $0)?.text
            }
            let (job, applied) = await waited(for: job, preferences, context)
            response = show(job, applied, status: outcome.isReplay ? .ok : .created, ticket: ticket)
        }
        response.headers[.location] = links.job(job.id)
        if outcome.isReplay { response.headers[.idempotentReplayed] = "true" }
        return response
    }

    /// The lifetime of the ticket that the client requests with the job; `nil` if it requests none.
    private func ticketLifetime(_ request: Request, _ caller: Caller) throws(Problem) -> Duration? {
        guard let seconds = try Query(request).integer("ticket_ttl_seconds", in: HTTPLimits.ticketSeconds) else {
            return nil
        }
        // A ticket grants reading, so the caller needs that right too.
        guard caller.rights.contains(.read) else { throw .rightMissing(.read) }
        return .seconds(seconds)
    }

    /// The submitted job after the wait that the client requested with `Prefer: wait`.
    private func waited(
        for job: Job, _ preferences: Preferences, _ context: DaemonRequestContext
    ) async -> (Job, applied: String?) {
        guard let wait = preferences.wait else { return (job, nil) }
        do {
            return (
                try await JobWait(
                    journal: journal, hub: hub, limit: wait, caller: context.caller, exchange: context.exchange
                ).end(of: job), preferences.applied
            )
        } catch {
            // The job is stored, so the client receives it even if the wait fails.
            return (job, nil)
        }
    }

    @Sendable private func list(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        let query = Query(request)
        try request.requireAcceptsJSON()
        let state = try query.choice("state", of: JobState.allCases.map(\.rawValue)).flatMap(JobState.init)
        var filter = JobQuery(
            tenant: context.caller.tenant, state: state,
            limit: try query.integer("limit", in: 1...Limits.jobsPerPage) ?? 50)
        if let text = query["pipeline"] {
            guard let pipeline = PipelineName(text) else {
                throw Problem.badQuery("pipeline", "is not a valid pipeline name")
            }
            filter.pipeline = pipeline
        }
        if let text = query["cursor"], !text.isEmpty {
            guard let cursor = JobListCursor(text) else {
                throw Problem.badQuery("cursor", "is not a cursor of this list")
            }
            filter.after = cursor
        }
        let page = try await journal.jobs(filter)
        return .json(JobListDocument(page, links: links))
    }

    @Sendable private func show(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        let preferences = Preferences(request.headers[.prefer])
        let known = try IfNoneMatch.parse(request.headers[.ifNoneMatch])
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
    /// - Parameter applied: the value of `Preference-Applied`; `nil` if no preference was honoured.
    private func show(
        _ job: Job, _ applied: String?, status: HTTPResponse.Status = .ok, ticket: String? = nil
    ) -> Response {
        let document = JobDocument(job, waitingFor: disk.reason(for: job), ticket: ticket, links: links)
        var response = Response.json(document, status: status)
        response.headers[.eTag] = "\(EntityTag(job))"
        response.headers[.preferenceApplied] = applied
        return response
    }
}

extension SubmissionOutcome {
    var isReplay: Bool {
        if case .replayed = self { true } else { false }
    }
}

/// Adapts the injected source of random bits to the standard library.
struct ClosureGenerator: RandomNumberGenerator {
    let random: @Sendable () -> UInt64

    func next() -> UInt64 { random() }
}

/// Waits for a change of a job, for a request with `Prefer: wait`.
///
/// The wait ends early if the daemon shuts down or the client closes its sending side. The client
/// then gets the job as it is. If the client has disconnected, the wait costs nothing more.
struct JobWait: Sendable {
    let journal: any Journal
    let hub: StreamHub
    let limit: Duration
    let caller: Caller
    let exchange: RequestExchange

    /// Waits until the job is final, at most until the limit.
    func end(of job: Job) async throws -> Job {
        try await wait(for: job, isForFinal: true) { $0.state.isFinal }
    }

    /// Waits until the job differs from the versions that the client has, at most until the limit.
    /// A final job does not change.
    func change(of job: Job, from known: IfNoneMatch) async throws -> Job {
        // `*` matches every version, so there is no change to wait for.
        if known == .any { return job }
        return try await wait(for: job, isForFinal: false) { $0.state.isFinal || !known.contains(EntityTag($0)) }
    }

    private func wait(
        for job: Job, isForFinal: Bool, until isReached: (Job) -> Bool
    ) async throws -> Job {
        var (job, left) = (job, limit)
        if isReached(job) || left == .zero { return job }
        guard let slot = hub.takeWaitSlot(of: caller.owner.account) else { throw Problem.tooManyWaits }
        defer { withExtendedLifetime(slot) {} }
        while !isReached(job), left > .zero, !exchange.hasClosedInput, !hub.isDraining {
            let (id, tenant, cursor) = (job.id, job.tenant, job.lastEvent.sequence)
            left = try await hub.waitForEvent(
                of: id, of: tenant, after: cursor, upTo: left, isForFinal: isForFinal, ending: exchange.whenInputCloses
            ) {
                let page = try await journal.events(of: id, of: tenant, after: cursor, limit: 1)
                return page.map { $0.isFinal || !isForFinal && $0.head > cursor } ?? true
            }
            guard let now = try await journal.job(id, of: tenant) else { throw Problem.noSuchJob }
            job = now
        }
        return job
    }
}
