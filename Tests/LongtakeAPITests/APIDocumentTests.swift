import LongtakeAPI
import LongtakeCore
import Testing

@Suite("the documents of the API")
struct APIDocumentTests {
    private static let epoch = Epoch(rawValue: 0xda94_59a2)

    private static func roundTrip<Document: Codable & Equatable>(_ document: Document, _ json: String) throws {
        #expect(try JSONText.encode(document) == json)
        #expect(try JSONText.decode(Document.self, from: json) == document)
    }

    @Test("have the documented members")
    func documents() throws {
        let queue = QueueName(unchecked: "gpu")
        try Self.roundTrip(
            QueueListDocument(queues: [QueueDocument(QueueStatus(name: queue, running: 1, waiting: 2), workers: 3)]),
            #"{"queues":[{"name":"gpu","paused":false,"running":1,"waiting":2,"workers":3}]}"#)
        let id = BackupID(at: Timestamp(millisecondsSince1970: 0))
        try Self.roundTrip(
            BackupListDocument([Backup(id: id, state: .running, path: "/b", bytes: 1)]),
            #"{"backups":[{"bytes":1,"error":null,"files_path":null,"finished_at":null,"id":"\#(id)","path":"/b","started_at":"1970-01-01T00:00:00.000Z","state":"running"}]}"#
        )
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        try Self.roundTrip(
            TicketDocument(ticket: "t", jobs: [job], expiresAt: Timestamp(millisecondsSince1970: 0)),
            #"{"expires_at":"1970-01-01T00:00:00.000Z","jobs":["\#(job)"],"ticket":"t"}"#)
        try Self.roundTrip(TicketRequest(jobs: [job], ttlSeconds: 5), #"{"jobs":["\#(job)"],"ttl_seconds":5}"#)
        try Self.roundTrip(StatusDocument.ready(warnings: []), #"{"status":"ready","warnings":[]}"#)
        try Self.roundTrip(StatusDocument.healthy(version: "1"), #"{"status":"ok","version":"1"}"#)
    }

    @Test("show files and artifacts with their members in the documented order")
    func files() throws {
        let hash = ContentHash(bytes: [UInt8](repeating: 0xab, count: 32))
        let content = Content(hash: hash, bytes: 5)
        let time = Timestamp(millisecondsSince1970: 0)
        let file = UploadedFile(content: content, type: "image/png", name: nil, createdAt: time, expiresAt: time)
        let list = FileListDocument([file], next: file.id, links: APILinks(base: "https://x"))
        #expect(
            list.json
                == #"{"files":[{"id":"sha-256:\#(hash)","bytes":5,"type":"image/png","name":null,"created_at":"\#(time)","expires_at":"\#(time)","urls":{"get":"https://x/v1/files/sha-256:\#(hash)","content":"https://x/v1/files/sha-256:\#(hash)/content"}}],"next":"sha-256:\#(hash)"}"#
        )
        #expect(try JSONText.decode(FileListDocument.self, from: list.json) == list)
        let artifact = Artifact(
            name: try #require(ArtifactName("a.png")), type: "image/png", content: content, role: .result)
        let artifacts = ArtifactListDocument([
            ArtifactRecord(artifact: artifact, stage: StageName(unchecked: "s"), createdAt: time)
        ])
        #expect(
            artifacts.json
                == #"{"artifacts":[{"stage":"s","name":"a.png","type":"image/png","bytes":5,"sha256":"\#(hash)","role":"result","created_at":"\#(time)"}]}"#
        )
        #expect(try JSONText.decode(ArtifactListDocument.self, from: artifacts.json) == artifacts)
    }

    @Test("show a pipeline without what only its runner needs")
    func pipelines() throws {
        let catalog = try JSONText.decode(
            PipelineCatalog.self,
            from:
                #"{"default":"p","pipelines":{"p":{"description":"d","input":{"fps":{"type":"integer"}},"stages":[{"name":"s","queue":"q","seconds":1,"steps":1,"message":"m"}]}}}"#
        )
        try Self.roundTrip(
            PipelineListDocument(catalog),
            #"{"default":"p","pipelines":[{"description":"d","input":{"fps":{"accept":null,"default":null,"description":null,"enum":null,"maximum":null,"maximum_megabytes":null,"minimum":null,"multiple_of":null,"pattern":null,"required":false,"type":"integer"}},"name":"p","stages":[{"expected_seconds":1,"name":"s","queue":"q"}]}]}"#
        )
    }

    @Test("omit what a problem does not have, and know every type by its URI")
    func problems() throws {
        try Self.roundTrip(
            ProblemDocument(type: .noSuchJob, title: "t", status: 404, detail: nil, errors: nil),
            #"{"status":404,"title":"t","type":"urn:longtake:problem:no-such-job"}"#)
        try Self.roundTrip(
            ProblemDocument(
                type: .invalidBody, title: "t", status: 422, detail: "d",
                errors: [InputProblem(pointer: "/input/fps", detail: "is required")]),
            #"{"detail":"d","errors":[{"detail":"is required","pointer":"/input/fps"}],"status":422,"title":"t","type":"urn:longtake:problem:invalid-body"}"#
        )
        for type in ProblemType.allCases { #expect(ProblemType(uri: type.uri) == type) }
        #expect(ProblemType(uri: "urn:longtake:problem:unheard-of") == nil)
        #expect(ProblemType(uri: "about:blank") == nil)
    }

    @Test("decode every event that the daemon writes")
    func events() throws {
        let stage = StageName(unchecked: "s")
        let number = StageNumber(stage: stage, index: 1, of: 2)
        let error = JobError(code: "c", message: "m", stage: stage, detail: "d")
        let artifact = Artifact(
            name: try #require(ArtifactName("é.png")), type: "image/png",
            content: Content(hash: ContentHash(bytes: [UInt8](repeating: 1, count: 32)), bytes: 5), role: .preview)
        let changes: [JobEvent.Change] = [
            .artifactCreated(artifact, stage: stage),
            .queued(pipeline: PipelineName(unchecked: "p"), stages: [stage], priority: .normal),
            .started(stage: stage), .stageStarted(number, attempt: 1, queue: QueueName(unchecked: "q")),
            .stageProgress(number, progress: Progress(0.5), message: "m"), .stageSucceeded(number, seconds: 1.5),
            .stageRetrying(stage: stage, attempt: 2, delay: .seconds(3), error: error),
            .interrupted(reason: .shutdown, stage: stage), .resumed(reason: .crash, stage: stage, progress: .none),
            .cancelRequested(stage: stage), .succeeded(output: .string("o"), seconds: 2), .failed(error), .canceled,
        ]
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        #expect(changes.count == EventType.allCases.count)
        for change in changes {
            let event = JobEvent(progress: Progress(0.25), change: change)
            let id = EventID(epoch: Self.epoch, sequence: EventSequence(rawValue: 4))
            let committed = CommittedEvent(
                id: id, position: EventPosition(rawValue: 1), job: job, tenant: .anonymous,
                pipeline: PipelineName(unchecked: "p"), type: event.type, at: Timestamp(millisecondsSince1970: 0),
                payload: event.payload())
            let document = try JSONText.decode(EventDocument.self, from: committed.json)
            #expect(document.eventType == event.type && document.id == id && document.sequence == 4)
            #expect((document.final == true) == event.type.isFinal)
            // A member that the document does not know would be missing here.
            let all = try JSONText.decode(JSONValue.self, from: committed.json)
            #expect(try JSONText.decode(JSONValue.self, from: try JSONText.encode(document)) == all)
            let page = EventPageDocument.json(
                EventPage(epoch: Self.epoch, events: [committed], head: EventSequence(rawValue: 4), isFinal: false),
                after: .beforeFirst)
            let decoded = try JSONText.decode(EventPageDocument.self, from: page)
            #expect(decoded.events == [document] && decoded.head == id && decoded.lastEventID == id)
        }
    }

    @Test("decode every message of a stream that the daemon writes")
    func messages() throws {
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        func check<Message: StreamMessage & Equatable>(_ message: Message, _ json: String) throws {
            #expect(message.json == json)
            #expect(try JSONText.decode(Message.self, from: json) == message)
        }
        try check(
            StreamHello(job: job, cursor: nil, head: "da9459a2-7", heartbeatSeconds: 10),
            #"{"type":"stream.hello","job":"\#(job)","cursor":null,"head":"da9459a2-7","heartbeat_seconds":10}"#)
        try check(
            StreamReset(reason: .ahead, requested: "\"/é"),
            #"{"type":"stream.reset","reason":"ahead","requested":"\"/é"}"#)
        try check(StreamEndMessage(reason: .maxAge), #"{"type":"stream.end","reason":"max_age"}"#)
        try check(
            StreamEstimate(
                job: job, JobEstimate(eta: .init(p50: 12.04, p90: 20), queueWait: .init(p50: 0, p90: 0))),
            #"{"type":"job.estimate","job":"\#(job)","eta_seconds":{"p50":12,"p90":20},"#
                + #""queue_wait_seconds":{"p50":0,"p90":0}}"#)
        try check(
            StreamEstimate(job: job, nil),
            #"{"type":"job.estimate","job":"\#(job)","eta_seconds":null,"queue_wait_seconds":null}"#)
        try check(StreamHeartbeat(queuePosition: nil), #"{"type":"stream.heartbeat"}"#)
        try check(StreamHeartbeat(queuePosition: 3), #"{"type":"stream.heartbeat","queue_position":3}"#)
        try check(
            DiagnosticsEvent(sequence: 1, of: 2, at: Timestamp(millisecondsSince1970: 0)),
            #"{"type":"diagnostics.event","seq":1,"of":2,"at":"1970-01-01T00:00:00.000Z"}"#)
        try check(DiagnosticsEnd(of: 2), #"{"type":"diagnostics.end","of":2}"#)
    }

    @Test(
        "refuse an id that is malformed",
        arguments: ["\"\"", "\"7\"", "\"da9459a2\"", "\"da9459a2-\"", "\"da9459a2-g\"", "7", "null"])
    func ids(json: String) {
        #expect(throws: (any Error).self) { try JSONText.decode(EventID.self, from: json) }
        #expect(throws: (any Error).self) { try JSONText.decode(FeedID.self, from: json) }
        #expect(throws: (any Error).self) { try JSONText.decode(JobID.self, from: json) }
    }
}
