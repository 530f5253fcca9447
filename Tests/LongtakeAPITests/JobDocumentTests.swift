import LongtakeAPI
import LongtakeCore
import Testing

@Suite("a job in JSON")
struct JobDocumentTests {
    private static let id = JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2")

    private static func job() throws -> Job {
        let stage = Job.Stage(
            name: StageName(unchecked: "s"), queue: QueueName(unchecked: "q"), state: .pending, progress: .none,
            attempt: 0, startedAt: nil, finishedAt: nil)
        return Job(
            id: try #require(id), tenant: .anonymous, pipeline: PipelineName(unchecked: "p"), state: .queued,
            progress: .none, stage: nil, stages: [stage], queuePosition: nil, input: .null, output: nil, error: nil,
            priority: .normal, metadata: ["z": "1", "y": "\""], cancelRequested: false, retryOf: nil,
            createdAt: Timestamp(millisecondsSince1970: 0), startedAt: nil, finishedAt: nil,
            lastEvent: EventID(epoch: Epoch(rawValue: 1), sequence: EventSequence(rawValue: 1)))
    }

    /// - Parameters:
    ///   - position: the member `queue_position`, or nothing.
    ///   - artifacts: the member `artifacts`, or nothing.
    private static func json(_ position: String, artifacts: String = "", base: String) throws -> String {
        let path = "/v1/jobs/\(try #require(id))"
        return
            #"{"id":"\#(try #require(id))","state":"queued","progress":0,"stage":null,"pipeline":"p","stages":[{"name":"s","queue":"q","state":"pending","progress":0,"attempt":0,"started_at":null,"finished_at":null}],\#(position)"input":null,"output":null,"error":null,\#(artifacts)"priority":0,"metadata":{"y":"\"","z":"1"},"cancel_requested":false,"retry_of":null,"created_at":"1970-01-01T00:00:00.000Z","started_at":null,"finished_at":null,"last_event_id":"00000001-1","links":{"self":"\#(base)\#(path)","events":"\#(base)\#(path)/events","cancel":"\#(base)\#(path)/cancel"}}"#
    }

    @Test("contains every member in the documented order, and null without a value")
    func members() throws {
        let job = try Self.job()
        #expect(
            JobDocument(job, links: APILinks()).json
                == (try Self.json(
                    #""queue_position":null,"eta_seconds":null,"queue_wait_seconds":null,"waiting_for":null,"#,
                    artifacts: #""artifacts":[],"#, base: "")))
        let base = "https://x.example.org/l"
        #expect(
            JobDocument(job, includesQueuePosition: false, links: APILinks(base: base)).json
                == (try Self.json("", base: base)))
    }

    @Test("has the time left in tenths of a second")
    func estimate() throws {
        var job = try Self.job()
        job.queuePosition = 2
        job.estimate = JobEstimate(eta: .init(p50: 61.24, p90: 100), queueWait: .init(p50: 10, p90: 33.37))
        let members =
            #""queue_position":2,"eta_seconds":{"p50":61.2,"p90":100},"queue_wait_seconds":{"p50":10,"p90":33.4},"#
            + #""waiting_for":"disk","#
        let document = JobDocument(job, waitingFor: .disk, links: APILinks())
        #expect(document.json == (try Self.json(members, artifacts: #""artifacts":[],"#, base: "")))
        #expect(try JSONText.decode(JobDocument.self, from: document.json) == document)
        let listed = JobDocument(job, includesQueuePosition: false, waitingFor: .disk, links: APILinks())
        #expect(listed.json == (try Self.json("", base: "")), "lists leave it out")
    }

    @Test("decodes to the same document, with and without values")
    func roundTrip() throws {
        var job = try Self.job()
        let links = APILinks(base: "https://x.example.org")
        for document in [
            JobDocument(job, links: links), JobDocument(job, includesQueuePosition: false, links: links),
        ] {
            #expect(try JSONText.decode(JobDocument.self, from: document.json) == document)
            #expect(try JSONText.decode(JobDocument.self, from: try JSONText.encode(document)) == document)
        }
        job.queuePosition = 7
        job.stage = StageName(unchecked: "s")
        job.output = .object(["url": .string("x")])
        job.error = JobError(code: "stage_failed", message: "It failed.", stage: StageName(unchecked: "s"))
        job.retryOf = job.id
        let artifact = Artifact(
            name: try #require(ArtifactName("a b.png")), type: "image/png",
            content: Content(hash: ContentHash(bytes: [UInt8](repeating: 1, count: 32)), bytes: 5), role: .preview)
        job.artifacts = [
            ArtifactRecord(
                artifact: artifact, stage: StageName(unchecked: "s"), createdAt: Timestamp(millisecondsSince1970: 1))
        ]
        job.startedAt = Timestamp(millisecondsSince1970: 1)
        job.finishedAt = Timestamp(millisecondsSince1970: 2)
        let document = JobDocument(job, ticket: "t", links: links)
        #expect(document.links.events.hasSuffix("/events?ticket=t"))
        #expect(
            document.json.contains(
                #""artifacts":[{"name":"a b.png","type":"image/png","bytes":5,"role":"preview","url":"https://x.example.org/v1/jobs/\#(job.id)/artifacts/a%20b.png"}]"#
            ))
        #expect(try JSONText.decode(JobDocument.self, from: document.json) == document)
        #expect(try JSONText.decode(JobDocument.self, from: try JSONText.encode(document)) == document)
    }

    @Test("is listed without its queue position")
    func list() throws {
        let page = JobPage(
            epoch: Epoch(rawValue: 1), jobs: [try Self.job()], next: JobListCursor(rawValue: 5),
            position: EventPosition(rawValue: 9))
        let document = JobListDocument(page, links: APILinks())
        #expect(
            document.json
                == #"{"jobs":[\#(try Self.json("", base: ""))],"next":"c5","last_event_id":"00000001-g9"}"#)
        #expect(try JSONText.decode(JobListDocument.self, from: document.json) == document)
    }
}
