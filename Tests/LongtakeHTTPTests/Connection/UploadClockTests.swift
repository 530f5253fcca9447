import Hummingbird
import LongtakeTesting
import NIOCore
import NIOEmbedded
import Testing

@testable import LongtakeHTTP

/// Uploads on a connection without a socket, whose clock the tests move.
@Suite("the time of uploads")
struct UploadClockTests {
    private let sink = UploadSink()

    private func connection() async throws -> NIOAsyncTestingChannel {
        let channel = NIOAsyncTestingChannel()
        let loop = channel.testingEventLoop
        let service = RequestService.forTests(loops: [loop], routes: sink.register)
        try await loop.executeInContext { try ConnectionHandler.install(on: channel, service: service) }
        try await channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).get()
        return channel
    }

    private static func send(_ text: String, to channel: NIOAsyncTestingChannel) async throws {
        try await channel.writeInbound(ByteBuffer(string: text))
    }

    /// The bytes that the connection has sent since the last call.
    private static func sent(by channel: NIOAsyncTestingChannel) async throws -> String {
        var text = ""
        while let bytes = try await channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    private static let head = "POST /sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n"

    @Test("408 for a client that sends one byte each second, after 10 s")
    func slow() async throws {
        let channel = try await connection()
        try await Self.send(Self.head + "\r\n", to: channel)
        for _ in 1...9 {
            await channel.testingEventLoop.advanceTime(by: .seconds(1))
            try await Self.send("a", to: channel)
        }
        #expect(try await Self.sent(by: channel).isEmpty)
        await channel.testingEventLoop.advanceTime(by: .seconds(1))
        let answer = try await Self.sent(by: channel)
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("connection: close"))
        #expect(await until { sink.ends == ["cut"] })
        #expect(try await Self.sent(by: channel).isEmpty, "the route's response is dropped")
    }

    @Test("an upload of 64 KiB in each 10 s takes as long as it likes, and its last part may be smaller")
    func steady() async throws {
        let channel = try await connection()
        try await Self.send(Self.head + "\r\n", to: channel)
        for _ in 1...3 {
            await channel.testingEventLoop.advanceTime(by: .milliseconds(9_900))
            try await Self.send(String(repeating: "a", count: 65_536), to: channel)
            // A route that has not read yet would hold the connection, and stop the clock.
            let read = sink.bytes
            #expect(await until { sink.bytes > read || sink.bytes % 65_536 == 0 })
        }
        await channel.testingEventLoop.advanceTime(by: .milliseconds(9_900))
        try await Self.send(String(repeating: "a", count: 200_000 - 3 * 65_536), to: channel)
        #expect(await until { sink.ends == ["end"] })
        var answer = ""
        #expect(
            try await until {
                answer += try await Self.sent(by: channel)
                return answer.hasPrefix("HTTP/1.1 200 ")
            })
    }

    @Test("the clock does not run while the route holds the client back, and runs when it reads again")
    func held() async throws {
        let channel = try await connection()
        let head = Self.head.replacing("/sink", with: "/held").replacing("200000", with: "900000")
        try await Self.send(head + "\r\n" + String(repeating: "a", count: 150_000), to: channel)
        await channel.testingEventLoop.advanceTime(by: .seconds(600))
        #expect(try await Self.sent(by: channel).isEmpty)
        sink.mayRead.give()
        #expect(await until { sink.bytes == 150_000 })
        // The connection learns of the room in a turn of its loop.
        await channel.testingEventLoop.run()
        await channel.testingEventLoop.advanceTime(by: .seconds(9))
        #expect(try await Self.sent(by: channel).isEmpty)
        await channel.testingEventLoop.advanceTime(by: .seconds(2))
        #expect(try await Self.sent(by: channel).hasPrefix("HTTP/1.1 408 "))
        #expect(await until { sink.ends == ["cut"] })
    }

    @Test("the clock does not run before 100 Continue")
    func expecting() async throws {
        let channel = try await connection()
        let head = Self.head.replacing("/sink", with: "/held") + "Expect: 100-continue\r\n\r\n"
        try await Self.send(head, to: channel)
        await channel.testingEventLoop.advanceTime(by: .seconds(600))
        #expect(try await Self.sent(by: channel).isEmpty)
        sink.mayRead.give()
        var answer = ""
        #expect(
            try await until {
                await channel.testingEventLoop.run()
                answer += try await Self.sent(by: channel)
                return answer.hasPrefix("HTTP/1.1 100 ")
            })
        await channel.testingEventLoop.advanceTime(by: .seconds(11))
        #expect(try await Self.sent(by: channel).hasPrefix("HTTP/1.1 408 "))
    }

    @Test("the 10 s of other requests still count from their first byte")
    func small() async throws {
        let channel = try await connection()
        try await Self.send("POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n", to: channel)
        await channel.testingEventLoop.advanceTime(by: .seconds(9))
        try await Self.send(String(repeating: "a", count: 50_000), to: channel)
        await channel.testingEventLoop.advanceTime(by: .seconds(1))
        #expect(try await Self.sent(by: channel).hasPrefix("HTTP/1.1 408 "))
    }
}
