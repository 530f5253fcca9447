import HTTPTypes
import Hummingbird
import LongtakeAPI
import LongtakeCore

/// Cancels, retries and deletes jobs.
struct JobActionRoutes: Sendable {
    let journal: any Journal
    let catalog: PipelineCatalog
    let clock: any WallClock
    /// Closed while the daemon shuts down.
    let admission: Admission
    let random: @Sendable () -> UInt64
    let disk: DiskGate
    /// Builds the links in responses.
    let links: APILinks

    func register(on routes: inout RouteTable) {
        routes.add("/v1/jobs/{id}/cancel", [.post: .needs(.submit, cancel)])
        routes.add("/v1/jobs/{id}/retry", [.post: .needs(.submit, retry)])
    }

    @Sendable private func cancel(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard let job = try await journal.cancel(try context.jobID(), of: context.caller.tenant) else {
            throw Problem.noSuchJob
        }
        return .json(document(job), status: job.state.isFinal ? .ok : .accepted)
    }

    /// ``JobRoutes`` registers this handler with the other methods of its path.
    @Sendable func delete(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try await journal.delete(try context.jobID(), of: context.caller.tenant)
        return Response(status: .noContent)
    }

    /// Submits a failed or canceled job again, as a new job.
    @Sendable private func retry(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        guard admission.isOpen else { throw Problem.draining }
        let (id, tenant, key) = (try context.jobID(), context.caller.tenant, try request.idempotencyKey())
        // Checked first, so that a repeated request works even if the job or its pipeline is
        // deleted.
        if let key {
            let fingerprint = try Submission.fingerprint(ofRetryOf: id)
            if let known = try await journal.replay(of: key, tenant: tenant, fingerprint: fingerprint) {
                return try response(to: known)
            }
        }
        guard let old = try await journal.job(id, of: tenant) else { throw Problem.noSuchJob }
        // The work of an unreadable job is unknown, so it cannot be retried.
        guard old.state.isRetryable, old.error?.code != JobError.unreadable.code else {
            throw JournalError.refused(.notRetryable)
        }
        return try response(to: try await journal.submit(try plan(old, key: key)))
    }

    private func response(to outcome: SubmissionOutcome) throws -> Response {
        guard let job = outcome.job else { throw Problem.keyConflict }
        var response = Response.json(document(job), status: outcome.isReplay ? .ok : .created)
        response.headers[.location] = links.job(job.id)
        if outcome.isReplay { response.headers[.idempotentReplayed] = "true" }
        return response
    }

    private func document(_ job: Job) -> JobDocument {
        JobDocument(job, waitingFor: disk.reason(for: job), links: links)
    }

    /// Plans the old job with the current configuration, which may contain the fix for its failure.
    private func plan(_ old: Job, key: String?) throws -> Submission {
        guard let definition = catalog.definition(named: old.pipeline) else {
            throw Problem.outdated([InputProblem(pointer: "/pipeline", detail: "is no longer configured")])
        }
        var generator = ClosureGenerator(random: random)
        do {
            let plan = try definition.plan(old.input)
            let simulation = try old.simulation.map {
                try Simulation.parse(
                    try JSONText.decode(JSONValue.self, from: try JSONText.encode($0)), for: plan.pipeline)
            }
            return Submission(
                id: JobID(at: clock.now(), using: &generator), tenant: old.tenant, pipeline: plan.pipeline,
                input: plan.input,
                priority: old.priority, metadata: old.metadata, simulation: simulation, idempotencyKey: key,
                retryOf: old.id, files: plan.files)
        } catch let error as InvalidInput {
            throw Problem.outdated(error.problems)
        }
    }
}

extension Problem {
    fileprivate static func outdated(_ errors: [InputProblem]) -> Problem {
        Problem(
            type: .outdatedJob, status: .unprocessableContent, title: "The job no longer fits its pipeline",
            detail: "The configuration has changed since the job was submitted. Submit a new job. See “errors”.",
            errors: errors)
    }
}
