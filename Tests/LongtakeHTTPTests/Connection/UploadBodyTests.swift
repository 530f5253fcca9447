import HTTPTypes
import NIOCore
import Testing

@testable import LongtakeHTTP

@Suite("the bytes of an upload that wait for its route")
struct UploadBufferTests {
    private static func piece(_ count: Int, _ byte: UInt8 = 1) -> ByteBuffer {
        ByteBuffer(repeating: byte, count: count)
    }

    @Test("is full at 128 KiB, and has room again when the route asks and at most 32 KiB wait")
    func full() {
        var buffer = UploadBuffer()
        var isTold = buffer.ask()
        #expect(isTold, "the first question is told")
        for _ in 1...3 { buffer.append(Self.piece(32 * 1024)) }
        #expect(!buffer.isFull)
        buffer.append(Self.piece(32 * 1024))
        #expect(buffer.isFull && buffer.bytes == 128 * 1024)
        // One turn of the event loop may bring more.
        for _ in 1...2 { buffer.append(Self.piece(32 * 1024)) }
        for rest in [64 * 1024, 0] {
            isTold = buffer.ask()
            #expect(!isTold && buffer.isFull)
            _ = buffer.take()
            #expect(buffer.bytes == rest)
        }
        isTold = buffer.ask()
        #expect(isTold && !buffer.isFull, "the connection learns that there is room")
        isTold = buffer.ask()
        #expect(!isTold)
    }

    // Fails if each piece is kept as it is: 10,000 pieces instead of one.
    @Test("copies small pieces together, in order")
    func small() {
        var buffer = UploadBuffer()
        for index in 0..<10_000 { buffer.append(Self.piece(1, UInt8(index % 251))) }
        let (all, rest) = (buffer.take(), buffer.take())
        #expect(all == .bytes(ByteBuffer(bytes: (0..<10_000).map { UInt8($0 % 251) })))
        #expect(rest == .nothing && buffer.bytes == 0)
    }

    // Fails if each piece is given alone, and if all are given together.
    @Test("gives the pieces that wait together, in order and at most 128 KiB")
    func together() {
        var buffer = UploadBuffer()
        for index in 0..<10 { buffer.append(Self.piece(20_000, UInt8(index))) }
        let items = (0..<3).map { _ in buffer.take() }
        let pieces = (0..<10).map { Array(repeating: UInt8($0), count: 20_000) }
        #expect(
            items == [
                .bytes(ByteBuffer(bytes: pieces[..<6].joined())), .bytes(ByteBuffer(bytes: pieces[6...].joined())),
                .nothing,
            ])
        #expect(buffer.bytes == 0)
    }

    @Test("gives the bytes and then the end, and after a cut only the cut")
    func ends() {
        var buffer = UploadBuffer()
        var items = [buffer.take()]
        buffer.append(Self.piece(5))
        buffer.end(isComplete: true)
        for _ in 1...3 { items.append(buffer.take()) }
        #expect(items == [.nothing, .bytes(Self.piece(5)), .end, .end])

        var cut = UploadBuffer()
        cut.append(Self.piece(5))
        cut.end(isComplete: false)
        cut.append(Self.piece(5))
        items = [cut.take()]
        #expect(cut.bytes == 0)
        cut.end(isComplete: true)
        items.append(cut.take())
        #expect(items == [.cut, .cut], "a cut body never ends well")
    }
}

@Suite("the body of an upload as a sequence")
struct UploadBodyTests {
    private let memory = UploadMemory()

    @Test("throws when the task of its reader is cancelled, while it waits and before")
    func cancelled() async {
        let body = UploadBody(memory: memory) {}
        let task = Task { for try await _ in body {} }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("drops what waits when it is cut, and counts it out of memory")
    func cut() async {
        let body = UploadBody(memory: memory) {}
        #expect(body.append(ByteBuffer(repeating: 0, count: 100_000)))
        #expect(memory.bytes == 100_000)
        body.cut()
        #expect(memory.bytes == 0)
        await #expect(throws: CancellationError.self) { for try await _ in body {} }
    }

    @Test("counts the bytes of a body that nobody has read out of memory")
    func unread() {
        var body: UploadBody? = UploadBody(memory: memory) {}
        _ = body?.append(ByteBuffer(repeating: 0, count: 1_000))
        #expect(memory.bytes == 1_000)
        body = nil
        #expect(memory.bytes == 0)
    }
}

@Suite("the pace of an upload")
struct UploadPaceTests {
    private static func second(_ second: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(second) }

    @Test("begins an interval of 10 s whenever 64 KiB have arrived")
    func intervals() {
        var pace = UploadPace()
        #expect(pace.deadline == nil)
        pace.run(at: Self.second(0))
        #expect(pace.deadline == Self.second(10))
        pace.received(65_535, at: Self.second(5))
        #expect(pace.deadline == Self.second(10))
        pace.received(1, at: Self.second(9))
        #expect(pace.deadline == Self.second(19))
        pace.run(at: Self.second(12))
        #expect(pace.deadline == Self.second(19), "an interval that runs goes on")
    }

    @Test("does not count the time in which the daemon does not read")
    func paused() {
        var pace = UploadPace()
        pace.run(at: Self.second(0))
        pace.received(65_000, at: Self.second(1))
        pace.pause()
        #expect(pace.deadline == nil)
        pace.received(1_000, at: Self.second(50))
        #expect(pace.deadline == nil)
        pace.run(at: Self.second(100))
        #expect(pace.deadline == Self.second(110))
        pace.received(65_535, at: Self.second(101))
        #expect(pace.deadline == Self.second(110), "the interval counts from its beginning")
    }
}

@Suite("the pace of a download")
struct DownloadPaceTests {
    private static func second(_ second: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(second) }

    @Test("ends a download whose client takes nothing for 60 s, and no other")
    func patience() {
        var pace = DownloadPace(at: Self.second(0))
        let mark = DownloadPace.Mark(buffered: 100_000, unacknowledged: 5_000)
        // One byte was acknowledged. Then the kernel has taken another.
        let acknowledged = DownloadPace.Mark(buffered: 100_000, unacknowledged: 4_999)
        let taken = DownloadPace.Mark(buffered: 99_999, unacknowledged: 4_999)
        let looks: [(Int64, DownloadPace.Mark)] = [
            (10, mark), (59, mark), (60, acknowledged), (119, acknowledged), (120, taken),
        ]
        for (time, mark) in looks {
            let isAlive = pace.isAlive(mark, at: Self.second(time))
            #expect(isAlive, "at \(time) s")
        }
        pace.tookBytes(at: Self.second(150))
        let last = (pace.isAlive(mark, at: Self.second(209)), pace.isAlive(mark, at: Self.second(210)))
        #expect(last == (true, false))
    }
}

@Suite("which requests are uploads")
struct UploadPathsTests {
    private let paths: UploadPaths = {
        var paths = UploadPaths()
        paths.add(.post, "/v1/files")
        paths.add(.patch, "/v1/uploads/{id}")
        return paths
    }()

    @Test("only the methods and paths of the list match, with or without a query")
    func matches() {
        #expect(paths.contain("POST", "/v1/files"))
        #expect(paths.contain("POST", "/v1/files?a=/b"))
        #expect(paths.contain("PATCH", "/v1/uploads/x-1"))
        #expect(paths.contain("PATCH", "/v1/uploads/x?y"))
        for (method, target) in [
            ("GET", "/v1/files"), ("PUT", "/v1/files"), ("POST", "/v1/file"), ("POST", "/v1/files2"),
            ("POST", "/v1/files/x"), ("POST", "/v1/files/"), ("POST", "/v1"), ("POST", ""), ("POST", "*"),
            ("PATCH", "/v1/uploads"), ("PATCH", "/v1/uploads/"), ("PATCH", "/v1/uploads/?x"),
            ("PATCH", "/v1/uploads/x/y"), ("POST", "http://h/v1/files"),
        ] {
            #expect(!paths.contain(method, target), "\(method) \(target)")
        }
    }
}
