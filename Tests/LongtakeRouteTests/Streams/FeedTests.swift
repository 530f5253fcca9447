import LongtakeDaemonDriver
import Testing

/// `GET /v1/events`: the events of all jobs on one connection.
@Suite struct FeedTests {
    /// The positions and event texts that a reader of the feed has received.
    private struct ReceivedEvents {
        var positions: [Int] = []
        var lines: [String] = []
        var last: String?

        mutating func add(_ block: EventBlock) throws {
            if let id = block.id {
                let position = try #require(
                    id.wholeMatch(of: /[0-9a-f]{8}-g([0-9]+)/).flatMap { Int($0.1) }, "\(block.raw)")
                if block.isLogged { positions.append(position) }
                last = id
            }
            if block.isLogged, let data = block.data { lines.append(data) }
        }

        /// Positions increase, and the events of each job have no gaps.
        func check(_ source: SourceLocation = #_sourceLocation) throws {
            #expect(zip(positions, positions.dropFirst()).allSatisfy(<), sourceLocation: source)
            var sequences: [String: Double] = [:]
            for line in lines {
                let event = try JSON.object(line)
                let job = try #require(event["job"] as? String)
                let sequence = try #require(event["seq"] as? Double)
                if let before = sequences[job] { #expect(sequence == before + 1, sourceLocation: source) }
                sequences[job] = sequence
            }
        }
    }

    @Test("the feed contains the event logs of all jobs, also across many reconnects")
    func cutAgainAndAgain() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let jobs = try (0..<4).map { _ in try daemon.submit() }
            var seen = ReceivedEvents()
            var finals = 0
            while finals < jobs.count {
                let reader = try daemon.feed(seen.last == nil ? "?after=0" : "", "Last-Event-ID: \(seen.last ?? "")")
                #expect(reader.head.status == 200)
                let hello = try #require(try reader.next())
                #expect(hello.event == "stream.hello" && hello.data?.contains(#""job":null"#) == true)
                #expect(hello.id == seen.last || seen.last == nil)
                // The reader disconnects after a few events.
                for _ in 0..<7 where finals < jobs.count {
                    let block = try #require(try reader.next())
                    try seen.add(block)
                    if block.event == "job.succeeded" { finals += 1 }
                }
            }
            try seen.check()
            let logs = try jobs.map { try daemon.wholeLog(of: $0).lines }
            #expect(Set(seen.lines) == Set(logs.flatMap { $0 }) && seen.lines.count == logs.flatMap { $0 }.count)
            #expect(seen.positions == Array(1...seen.lines.count), "nothing was removed, so there is no gap")
        }
    }

    @Test("without a cursor the feed begins now; a list returns the cursor at which the feed continues")
    func listThenFollow() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            _ = try daemon.submit()
            let list = try daemon.get("/v1/jobs").object()
            let cursor = try #require(list["last_event_id"] as? String)
            let between = try daemon.submit()
            let (now, listed) = (try daemon.feed(), try daemon.feed("?after=\(cursor)"))
            #expect(try now.next()?.id == cursor.dropLast() + "2")
            #expect(try listed.next()?.id == cursor)
            #expect(try listed.next()?.data?.contains(between) == true)
            let later = try daemon.submit()
            for reader in [now, listed] { #expect(try reader.next()?.data?.contains(later) == true) }
            let bare = try daemon.feed("?after=1")
            #expect(try bare.next()?.id == cursor)
            #expect(try bare.next()?.data?.contains(between) == true)
        }
    }

    @Test("a filter selects events, live and replayed, and a client without events gets newer cursors")
    func filters() async throws {
        try await LocalDaemon.run(
            environment: ["LONGTAKE_STREAM_HEARTBEAT_SECONDS=1", "LONGTAKE_QUEUES_CPU_WORKERS=0"]
        ) { daemon in
            let first = try daemon.submit()
            let byType = try daemon.feed("?after=0&type=job.canceled&type=job.succeeded")
            let byJob = try daemon.feed("?after=0&job=\(first)")
            let byPipeline = try daemon.feed("?after=0&pipeline=image-to-video")
            for reader in [byType, byJob, byPipeline] { #expect(try reader.next()?.event == "stream.hello") }
            #expect(try byJob.next()?.data?.contains(first) == true)
            let second = try daemon.submit()
            #expect(try daemon.post("/v1/jobs/\(first)/cancel").status == 200)
            for reader in [byType, byJob] {
                var block = try reader.next()
                while let quiet = block, !quiet.isLogged { block = try reader.next() }
                #expect(block?.event == "job.canceled" && block?.data?.contains(first) == true)
                #expect(block?.id?.hasSuffix("-g3") == true, "the second job's event was left out: \(second)")
            }
            // A client that received only the hello gets a cursor.
            let rare = try daemon.feed("?after=0&pipeline=image-to-video")
            #expect(try rare.next()?.id?.hasSuffix("-g0") == true)
            #expect(try rare.next()?.id?.hasSuffix("-g3") == true)
            // No event matches this filter. The client gets a newer cursor, so that a resume is
            // cheap.
            var block = try byPipeline.next()
            while let quiet = block, quiet.id?.hasSuffix("-g3") != true { block = try byPipeline.next() }
            #expect(
                block?.raw.wholeMatch(of: /id: [0-9a-f]{8}-g3\n\n/) != nil,
                "a block with only an id dispatches no event"
            )
            #expect(try byPipeline.next()?.raw == ": hb\n\n", "after the newer cursor it gets heartbeats only")
        }
    }

    @Test("an invalid cursor gets hello, reset, and then new events")
    func refusedCursors() async throws {
        try await LocalDaemon.run(environment: ["LONGTAKE_QUEUES_CPU_WORKERS=0"]) { daemon in
            _ = try daemon.submit()
            let head = try #require(try daemon.get("/v1/jobs").object()["last_event_id"] as? String)
            let foreign = head.hasPrefix("00000000") ? "00000001" : "00000000"
            for (text, reason) in [
                ("\(foreign)-g1", "epoch"), ("\(head)00", "ahead"), ("77", "ahead"), ("nonsense", "malformed"),
                (String(head.replacing("-g", with: "-")), "malformed"),
            ] {
                let reader = try daemon.feed("", "Last-Event-ID: \(text)")
                #expect(reader.head.status == 200)
                let hello = try #require(try reader.next())
                #expect(hello.id == nil && hello.data?.contains(#""cursor":null,"head":"\#(head)""#) == true)
                #expect(
                    try reader.next()?.data == #"{"type":"stream.reset","reason":"\#(reason)","requested":"\#(text)"}"#)
                #expect(try reader.next()?.raw == "id: \(head)\n\n")
            }
        }
    }

    @Test("rejects invalid parameters with a status and a message")
    func badQueries() async throws {
        try await LocalDaemon.run { daemon in
            for query in ["?job=x", "?type=nothing", "?pipeline=No%20Name", "?format=xml"] {
                let answer = try daemon.get("/v1/events\(query)")
                #expect(answer.status == 400 && answer["content-type"] == "application/problem+json", "\(query)")
            }
            let many = (0..<65).map { "job=job_000000000000000000000000\($0 < 10 ? "0" : "")\($0)" }
            #expect(try daemon.get("/v1/events?" + many.joined(separator: "&")).status == 400)
            #expect(try daemon.feed("?" + many.dropLast().joined(separator: "&")).head.status == 200)
            #expect(try daemon.get("/v1/events", "Accept: application/x-ndjson").status == 406)
        }
    }
}
