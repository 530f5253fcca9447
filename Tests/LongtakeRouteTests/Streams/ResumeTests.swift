import LongtakeDaemonDriver
import Testing

/// Disconnecting and resuming, which is the main purpose of Longtake.
@Suite struct ResumeTests {
    @Test("the stream of a finished job resumes from every cursor, in every form")
    func everyCursor() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            let whole = try daemon.wholeLog(of: id)
            for cursor in 0..<whole.ids.count {
                let text = cursor == 0 ? "0" : whole.ids[cursor - 1]
                let rest = Array(whole.lines[cursor...])
                #expect(JobLog(try daemon.follow(id, "", "Last-Event-ID: \(text)").rest()).lines == rest)
                #expect(JobLog(try daemon.follow(id, "?last_event_id=\(text)").rest()).lines == rest)
                #expect(JobLog(try daemon.follow(id, "?after=\(text)").rest()).lines == rest)
                #expect(JobLog(try daemon.follow(id, "", "Last-Event-ID: \(cursor)").rest()).lines == rest)
            }
            let first = whole.ids[0]
            let second = JobLog(
                try daemon.follow(id, "?last_event_id=\(whole.ids[1])&after=3", "Last-Event-ID: \(first)").rest())
            #expect(second.ids.first == whole.ids[1], "the header takes precedence")
            let third = JobLog(
                try daemon.follow(id, "?last_event_id=\(whole.ids[1])&after=3", "Last-Event-ID: ").rest())
            #expect(third.ids.first == whole.ids[2], "an empty header counts as absent")
        }
    }

    @Test("clients that disconnect after each event of a running job miss nothing and see nothing twice")
    func everyCursorOfARunningJob() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            var log = JobLog()
            var isOver = false
            while !isOver {
                let fields = log.last.map { "Last-Event-ID: \($0)" } ?? "X-First: 1"
                let reader = try daemon.follow(id, "", fields)
                #expect(reader.head.status == 200)
                let hello = try #require(try reader.next())
                #expect(hello.event == "stream.hello")
                if let last = log.last { #expect(hello.id == last) }
                // The client disconnects after one event.
                let block = try #require(try reader.next())
                log.add(block)
                isOver = block.event == "job.succeeded"
            }
            try log.checkWhole()
            #expect(try daemon.wholeLog(of: id).lines == log.lines)
        }
    }

    @Test("an invalid cursor gets a reset, a snapshot and the following events")
    func foreignCursors() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let finished = try daemon.submit()
            let whole = try daemon.wholeLog(of: finished)
            let head = try #require(whole.last)
            let epoch = String(head.prefix(8))
            let foreign = epoch == "00000000" ? "00000001" : "00000000"
            let cursors: [(text: String, reason: String, status: Int)] = [
                ("\(foreign)-3", "epoch", 410), ("\(foreign)-0", "epoch", 410), ("\(epoch)-9999", "ahead", 410),
                ("9999", "ahead", 410), ("9223372036854775807", "ahead", 410),
                ("\(epoch)-9223372036854775807", "ahead", 410),
                ("nonsense", "malformed", 400), ("-1", "malformed", 400), ("\(epoch)-", "malformed", 400),
                ("99999999999999999999", "malformed", 400), ("\(epoch)-99999999999999999999", "malformed", 400),
                (String(repeating: "x", count: 300), "malformed", 400),
            ]
            for (text, reason, status) in cursors {
                let reader = try daemon.follow(finished, "", "Last-Event-ID: \(text)")
                #expect(reader.head.status == 200)
                let blocks = try reader.rest()
                try #require(blocks.map(\.event) == ["stream.hello", "stream.reset", "job.snapshot"], "\(text)")
                #expect(blocks[0].id == nil)
                #expect(blocks[0].data?.contains(#""cursor":null,"head":"\#(head)""#) == true)
                let shown = text.prefix(64)
                #expect(blocks[1].data == #"{"type":"stream.reset","reason":"\#(reason)","requested":"\#(shown)"}"#)
                #expect(blocks[1].id == nil)
                #expect(blocks[2].id == head)
                let snapshot = try JSON.object(try #require(blocks[2].data))
                #expect(snapshot["id"] as? String == head)
                #expect((snapshot["job"] as? [String: Any])?["state"] as? String == "succeeded")
                #expect(reader.endedCleanly)
                let page = try daemon.get(
                    "/v1/jobs/\(finished)/events", "Accept: application/json", "Last-Event-ID: \(text)")
                #expect(page.status == status, "\(text)")
                #expect(page["content-type"] == "application/problem+json")
            }
            // Slow enough to be running until it is followed.
            let running = try daemon.submit(#"{"input":{"prompt":"a boat"},"simulation":{"speed":100}}"#)
            // After a recent read the newest events are in memory. That path must give the same
            // response.
            let other = try daemon.follow(running)
            #expect(try other.next()?.event == "stream.hello")
            for text in ["9223372036854775807", "9999"] {
                #expect(try daemon.follow(running, "?after=\(text)").next()?.event == "stream.hello")
            }
            let blocks = try daemon.follow(running, "?after=\(foreign)-1").rest()
            let snapshot = try #require(blocks.first { $0.event == "job.snapshot" })
            let rest = JobLog(blocks)
            let number = try #require(snapshot.id?.split(separator: "-").last.flatMap { Int($0) })
            try rest.checkDense(from: number + 1)
            #expect(rest.types.last == "job.succeeded", "after the snapshot it continues live")
        }
    }

    @Test("a page waits for the next event only")
    func longPoll() async throws {
        try await LocalDaemon.run("--speed", "400") { daemon in
            let id = try daemon.submit()
            var cursor = "0"
            var lines = ""
            var isFinished = false
            while !isFinished {
                let page = try daemon.get(
                    "/v1/jobs/\(id)/events?wait=20&limit=3&after=\(cursor)", "Accept: application/json")
                try #require(page.status == 200, "\(page.body)")
                let object = try page.object()
                let events = try #require(object["events"] as? [Any])
                #expect(!events.isEmpty && events.count <= 3)
                cursor = try #require(object["last_event_id"] as? String)
                isFinished = try #require(object["finished"] as? Bool)
                lines += page.body
            }
            for line in try daemon.wholeLog(of: id).lines { #expect(lines.contains(line)) }
        }
    }
}
