import Hummingbird
import LongtakeAPI
import LongtakeCore

/// `POST /v1/tickets`: makes tickets, with which a browser's `EventSource` can open streams.
struct TicketRoutes: Sendable {
    let journal: any Journal
    let access: AccessControl

    func register(on routes: inout RouteTable) {
        routes.add("/v1/tickets", [.post: .needs(.read, make)])
    }

    @Sendable private func make(_ request: Request, _ context: DaemonRequestContext) async throws -> Response {
        try request.requireAcceptsJSON()
        let body = try TicketBody(try await request.jsonBody())
        var problems: [InputProblem] = []
        for (index, job) in body.jobs.enumerated()
        where try await journal.job(job, of: context.caller.tenant) == nil {
            problems.append(InputProblem(pointer: "/jobs/\(index)", detail: "no job has this id"))
        }
        guard problems.isEmpty else { throw Problem.unprocessable(problems) }
        let lifetime = Duration.seconds(body.seconds)
        guard let (text, expiresAt) = try access.ticket(for: context.caller, jobs: body.jobs, lasting: lifetime) else {
            throw Problem.noSigningKey
        }
        return try .json(
            sorted: TicketDocument(ticket: text, jobs: body.jobs, expiresAt: expiresAt), status: .created)
    }
}

/// A checked ``TicketRequest``.
private struct TicketBody {
    var jobs: [JobID] = []
    var seconds = HTTPLimits.ticketSecondsDefault

    init(_ value: JSONValue) throws(Problem) {
        guard case .object(let members) = value else {
            throw .unprocessable([InputProblem(pointer: "", detail: "must be an object")])
        }
        typealias Name = TicketRequest.CodingKeys
        var problems = members.keys.filter { Name(rawValue: $0) == nil }.sorted().map {
            InputProblem(in: "", member: $0, detail: "unknown field")
        }
        if case .array(let items)? = members[Name.jobs.rawValue], (1...HTTPLimits.ticketJobs).contains(items.count) {
            for (index, item) in items.enumerated() {
                if let job = item.text.flatMap({ JobID($0) }) {
                    jobs.append(job)
                } else {
                    problems.append(InputProblem(pointer: "/jobs/\(index)", detail: "must be a valid job id"))
                }
            }
        } else {
            problems.append(
                InputProblem(pointer: "/jobs", detail: "must be an array of 1 to \(HTTPLimits.ticketJobs) job ids"))
        }
        switch members[Name.ttlSeconds.rawValue] {
        case nil, .null: break
        case .integer(let number) where HTTPLimits.ticketSeconds.contains(Int(clamping: number)): seconds = Int(number)
        default:
            let range = HTTPLimits.ticketSeconds
            problems.append(
                InputProblem(
                    pointer: "/ttl_seconds",
                    detail: "must be a whole number from \(range.lowerBound) to \(range.upperBound)"))
        }
        guard problems.isEmpty else { throw .unprocessable(problems) }
    }
}

extension Problem {
    static let noSigningKey = Problem.unavailable(
        .noSigningKey, "The daemon has no key to sign tickets with. Its log lines say why.")
}
