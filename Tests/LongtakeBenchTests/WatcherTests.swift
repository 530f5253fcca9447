import LongtakeCore
import NIOCore
import NIOEmbedded
import Testing

@testable import longtake_bench

/// A driver that overlooks a loss would praise the daemon for it.
@Suite struct WatcherTests {
    @Test("events in order are counted, wherever the reads were cut", arguments: [1, 2, 7, 64, 4_096])
    func inOrder(readBytes: Int) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 2) + Stream.event(1) + Stream.event(2), readBytes)
        #expect(stream.watcher.last == 2)
        #expect(stream.board.caughtUpCount == 1)
        #expect(stream.faults == [])
    }

    @Test("an event that is missing is found")
    func missing() throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 3) + Stream.event(1) + Stream.event(3))
        #expect(stream.faults == ["it: 1 events are missing"])
    }

    @Test("an event that comes twice or late is found", arguments: [[1, 2, 2], [1, 2, 1]])
    func again(sequences: [UInt64]) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 2) + sequences.map(Stream.event).joined())
        #expect(stream.faults == ["it: 1 events came twice or out of order"])
    }

    @Test("a hello that honours another cursor is found")
    func otherCursor() throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 4, head: 9))
        #expect(stream.faults == ["it: resumed behind 4 instead of 0"])
    }

    @Test("a refusal with a status is told from one with an announced end")
    func refused() throws {
        let hard = try Stream()
        try hard.receive("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        #expect(hard.board.delivery.hardRefusals == 1)
        let soft = try Stream()
        try soft.receive(
            Stream.head + "retry: 900\nevent: stream.end\ndata: {\"type\":\"stream.end\",\"reason\":\"limit\"}\n\n")
        #expect(soft.board.delivery.refusals == 1)
        #expect(soft.faults == [])
    }

    @Test(
        "signs of life are told from blocks that nobody expects",
        arguments: [
            (": hb\n\n", true), ("6\r\n: hb\n\n\r\n6\r\n: hb\n\n\r\n", true), ("id: da9459a2-g7\n\n", true),
            ("event: ping\ndata: \n\n", true),
            ("event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\"}\n\n", true),
            ("event: stage.progress\ndata: {\"type\":\"stage.progress\"}\n\n", false),
            ("id: da9459a2-7\ndata: {}\n\n", false), ("event: stream.reset\ndata: {}\n\n", false),
        ])
    func otherBlocks(text: String, isExpected: Bool) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 1) + text)
        #expect(stream.faults.isEmpty == isExpected)
        #expect((stream.board.heartbeats > 0) == isExpected)
    }

    @Test("a stream that ends without a word is found, and resumed")
    func cut() throws {
        let stream = try Stream()
        var returns = 0
        stream.board.comeAgain = { _ in returns += 1 }
        try stream.receive(Stream.hello(cursor: 0, head: 1) + Stream.event(1))
        _ = try stream.channel.finish()
        #expect(returns == 1)
        #expect(stream.faults == ["it: 1 streams ended without a word, and were resumed"])
    }

    @Test("the end of a stream that cannot be resumed is found")
    func ended() throws {
        let stream = try Stream(WatchPlan(job: 0, path: "/"))
        var returns = 0
        stream.board.comeAgain = { _ in returns += 1 }
        try stream.receive(Stream.hello(cursor: 0, head: 1) + Stream.event(1))
        _ = try stream.channel.finish()
        #expect(returns == 0)
        #expect(stream.faults == ["it: a stream ended before the measurement did"])
    }
}

/// A watcher on a channel without a socket.
private struct Stream {
    let board = WatcherBoard()
    let watcher: Watcher
    let channel = EmbeddedChannel()

    init(_ plan: WatchPlan? = nil) throws {
        let job = SubmittedJob(id: "job_1", epoch: "da9459a2", path: "/v1/jobs/job_1/events")
        watcher = board.add(plan ?? WatchPlan(job, number: 0))
        try channel.pipeline.syncOperations.addHandler(watcher)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        board.beginWindow()
    }

    func receive(_ text: String, _ readBytes: Int = .max) throws {
        var rest = ByteBuffer(string: text)
        while let part = rest.readSlice(length: min(readBytes, rest.readableBytes)), part.readableBytes > 0 {
            try channel.writeInbound(part)
        }
    }

    var faults: [String] {
        var document = ResultDocument("test")
        document.expect(board.delivery, "it")
        return document.faults
    }

    static let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"

    static func hello(cursor: UInt64, head end: UInt64) -> String {
        head + """
            retry: 1834
            id: da9459a2-\(cursor)
            event: stream.hello
            data: {"type":"stream.hello","job":"job_1","cursor":"da9459a2-\(cursor)","head":"da9459a2-\(end)"}


            """
    }

    static func event(_ sequence: UInt64) -> String {
        SampleEvent(messageBytes: 40).block(sequence, at: 1_795_000_000_000_000)
    }
}
