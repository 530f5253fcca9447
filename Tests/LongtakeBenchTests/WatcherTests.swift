import LongtakeCore
import NIOCore
import NIOEmbedded
import Testing

@testable import longtake_bench

/// If the driver missed a lost event, its results would be too good.
@Suite struct WatcherTests {
    @Test("counts events that arrive in order, in reads of any size", arguments: [1, 2, 7, 64, 4_096])
    func inOrder(readBytes: Int) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 2) + Stream.event(1) + Stream.event(2), readBytes)
        #expect(stream.watcher.last == 2)
        #expect(stream.recorder.caughtUpCount == 1)
        #expect(stream.faults == [])
    }

    @Test("reports a missing event")
    func missing() throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 3) + Stream.event(1) + Stream.event(3))
        #expect(stream.faults == ["it: 1 events are missing"])
    }

    @Test("reports an event that arrives twice or late", arguments: [[1, 2, 2], [1, 2, 1]])
    func again(sequences: [UInt64]) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 2) + sequences.map(Stream.event).joined())
        #expect(stream.faults == ["it: 1 events arrived twice or out of order"])
    }

    @Test("reports a stream.hello with another cursor than the requested one")
    func otherCursor() throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 4, head: 9))
        #expect(stream.faults == ["it: a stream resumed after event 4 instead of 0"])
    }

    @Test("distinguishes a rejection with a status from one with stream.end")
    func rejected() throws {
        let withStatus = try Stream()
        try withStatus.receive("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        #expect(withStatus.recorder.delivery.statusRejections == 1)
        let withEnd = try Stream()
        try withEnd.receive(
            Stream.head + "retry: 900\nevent: stream.end\ndata: {\"type\":\"stream.end\",\"reason\":\"limit\"}\n\n")
        #expect(withEnd.recorder.delivery.rejections == 1)
        #expect(withEnd.faults == [])
    }

    @Test(
        "distinguishes heartbeats from unexpected blocks",
        arguments: [
            (": hb\n\n", true), ("6\r\n: hb\n\n\r\n6\r\n: hb\n\n\r\n", true), ("id: da9459a2-g7\n\n", true),
            ("event: ping\ndata: \n\n", true),
            ("event: stream.heartbeat\ndata: {\"type\":\"stream.heartbeat\"}\n\n", true),
            ("event: stage.progress\ndata: {\"type\":\"stage.progress\"}\n\n", false),
            ("id: da9459a2-7\ndata: {}\n\n", false), ("event: stream.reset\ndata: {}\n\n", false),
        ])
    func otherBlocks(text: String, isHeartbeat: Bool) throws {
        let stream = try Stream()
        try stream.receive(Stream.hello(cursor: 0, head: 1) + text)
        #expect(stream.faults.isEmpty == isHeartbeat)
        #expect((stream.recorder.heartbeats > 0) == isHeartbeat)
    }

    @Test("reports a stream that ends without stream.end, and resumes it")
    func disconnected() throws {
        let stream = try Stream()
        var reconnects = 0
        stream.recorder.reconnect = { _ in reconnects += 1 }
        try stream.receive(Stream.hello(cursor: 0, head: 1) + Stream.event(1))
        _ = try stream.channel.finish()
        #expect(reconnects == 1)
        #expect(stream.faults == ["it: 1 streams ended without stream.end, and were resumed"])
    }

    @Test("reports the end of a stream that cannot be resumed")
    func ended() throws {
        let stream = try Stream(StreamRequest(job: 0, path: "/"))
        var reconnects = 0
        stream.recorder.reconnect = { _ in reconnects += 1 }
        try stream.receive(Stream.hello(cursor: 0, head: 1) + Stream.event(1))
        _ = try stream.channel.finish()
        #expect(reconnects == 0)
        #expect(stream.faults == ["it: a stream ended before the measurement"])
    }
}

/// A watcher on a channel without a socket.
private struct Stream {
    let recorder = DeliveryRecorder()
    let watcher: Watcher
    let channel = EmbeddedChannel()

    init(_ request: StreamRequest? = nil) throws {
        let job = SubmittedJob(id: "job_1", epoch: "da9459a2", path: "/v1/jobs/job_1/events")
        watcher = recorder.add(request ?? StreamRequest(job, number: 0))
        try channel.pipeline.syncOperations.addHandler(watcher)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        recorder.beginWindow()
    }

    func receive(_ text: String, _ readBytes: Int = .max) throws {
        var rest = ByteBuffer(string: text)
        while let part = rest.readSlice(length: min(readBytes, rest.readableBytes)), part.readableBytes > 0 {
            try channel.writeInbound(part)
        }
    }

    var faults: [String] {
        var document = ResultDocument("test")
        document.check(recorder.delivery, of: "it")
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
