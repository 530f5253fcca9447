import HTTPTypes
import LongtakeCore
import NIOCore
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

/// Each state of a connection with each thing that can happen to it.
@Suite struct ConnectionStateTests {
    private static func connection(_ state: ConnectionState.State, isKept: Bool = true) -> ConnectionState {
        var connection = ConnectionState()
        if state == .idle { return connection }
        if state == .closed {
            connection.connectionClosed()
            return connection
        }
        _ = connection.bytesArrived()
        if state == .refused { _ = connection.deadlinePassed() }
        if state == .receiving || state == .refused { return connection }
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/", headers: ["host": "t"])
        if !isKept { head.headers.add(name: "connection", value: "close") }
        _ = connection.headArrived(head)
        _ = connection.endArrived()
        if state == .streaming { _ = connection.beganStreaming() }
        return connection
    }

    @Test("each state answers each happening in one way")
    func everyPair() {
        typealias Happening = (name: String, apply: (inout ConnectionState) -> ConnectionState.Action)
        let happenings: [Happening] = [
            ("bytes", { $0.bytesArrived() }), ("garbage", { $0.parsingFailed(.malformedRequest) }),
            ("response ended", { $0.responseEnded() }), ("FIN", { $0.inputClosed() }),
            ("deadline", { $0.deadlinePassed() }),
            ("drain", { $0.drain() }),
        ]
        let expected: [(ConnectionState.State, [String])] = [
            (.idle, ["expectRequest", "refuse 400", "nothing", "close", "close", "close"]),
            (.receiving, ["nothing", "refuse 400", "nothing", "close", "refuse 408", "nothing"]),
            (.answering, ["nothing", "nothing", "awaitNext", "nothing", "close", "nothing"]),
            (.streaming, ["close", "close", "awaitNext", "probe", "nothing", "nothing"]),
            (.refused, ["nothing", "nothing", "nothing", "close", "close", "nothing"]),
            (.closed, ["nothing", "nothing", "nothing", "nothing", "nothing", "nothing"]),
        ]
        for (state, answers) in expected {
            for (happening, answer) in zip(happenings, answers) {
                var connection = Self.connection(state)
                #expect(connection.state == state)
                #expect(Self.name(happening.apply(&connection)) == answer, "\(state) × \(happening.name)")
            }
        }
    }

    @Test("a connection is closed behind its response when the client, a FIN or a drain says so")
    func notKept() {
        var asked = Self.connection(.answering, isKept: false)
        #expect(Self.name(asked.responseEnded()) == "close")
        var finished = Self.connection(.answering)
        _ = finished.inputClosed()
        #expect(Self.name(finished.responseEnded()) == "close")
        var drained = Self.connection(.streaming)
        _ = drained.drain()
        #expect(Self.name(drained.responseEnded()) == "close")
    }

    @Test("a stream begins for a client that will send no more, with a look whether it is there")
    func halfClosed() {
        var connection = Self.connection(.answering)
        #expect(Self.name(connection.inputClosed()) == "nothing")
        #expect(Self.name(connection.beganStreaming()) == "probe")
        #expect(connection.state == .streaming && !connection.isKept)
        #expect(Self.name(connection.responseEnded()) == "close")
    }

    @Test("a body is taken up to the limit and no byte further")
    func bodyLimit() {
        var connection = Self.connection(.receiving)
        _ = connection.headArrived(
            HTTPRequestHead(version: .http1_1, method: .POST, uri: "/", headers: ["host": "t"]))
        #expect(
            Self.name(connection.bodyArrived(ByteBuffer(repeating: 0, count: Limits.requestBodyBytes))) == "nothing")
        #expect(Self.name(connection.bodyArrived(ByteBuffer(repeating: 0, count: 1))) == "refuse 413")
    }

    @Test("a head says beforehand what would be refused")
    func heads() {
        func answer(_ name: String, _ value: String, version: HTTPVersion = .http1_1) -> String {
            var connection = Self.connection(.receiving)
            let head = HTTPRequestHead(version: version, method: .POST, uri: "/", headers: ["host": "t", name: value])
            return Self.name(connection.headArrived(head))
        }
        #expect(answer("content-length", "65537") == "refuse 413")
        #expect(answer("content-length", "65536") == "nothing")
        #expect(answer("x-large", String(repeating: "a", count: Limits.requestHeadBytes)) == "refuse 431")
        #expect(answer("expect", "100-continue") == "sendContinue")
        #expect(answer("expect", "wonders") == "refuse 417")
        #expect(answer("expect", "100-continue", version: .http1_0) == "nothing")
    }

    private static func name(_ action: ConnectionState.Action) -> String {
        switch action {
        case .refuse(let problem): "refuse \(problem.status.code)"
        case .answer: "answer"
        default: "\(action)"
        }
    }
}
