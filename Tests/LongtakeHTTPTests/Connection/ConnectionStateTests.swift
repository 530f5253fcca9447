import HTTPTypes
import LongtakeCore
import NIOCore
import NIOHTTP1
import Testing

@testable import LongtakeHTTP

/// Tests each state with each event.
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

    @Test("each state has one action for each event")
    func everyPair() {
        typealias Event = (name: String, apply: (inout ConnectionState) -> ConnectionState.Action)
        let events: [Event] = [
            ("bytes", { $0.bytesArrived() }), ("garbage", { $0.parsingFailed(.malformedRequest) }),
            ("response ended", { $0.responseEnded() }), ("FIN", { $0.inputClosed() }),
            ("deadline", { $0.deadlinePassed() }),
            ("drain", { $0.drain() }),
        ]
        let expected: [(ConnectionState.State, [String])] = [
            (.idle, ["expectRequest", "refuse 400", "nothing", "close", "close", "close"]),
            (.receiving, ["nothing", "refuse 400", "nothing", "close", "refuse 408", "nothing"]),
            (.responding, ["nothing", "nothing", "awaitNext", "nothing", "close", "nothing"]),
            (.streaming, ["close", "close", "awaitNext", "probe", "nothing", "nothing"]),
            (.refused, ["nothing", "nothing", "nothing", "close", "close", "nothing"]),
            (.closed, ["nothing", "nothing", "nothing", "nothing", "nothing", "nothing"]),
        ]
        for (state, actions) in expected {
            for (event, action) in zip(events, actions) {
                var connection = Self.connection(state)
                #expect(connection.state == state)
                #expect(Self.name(event.apply(&connection)) == action, "\(state) × \(event.name)")
            }
        }
    }

    @Test("closes after the response if the client asked for it, sent a FIN, or the daemon shuts down")
    func notKept() {
        var asked = Self.connection(.responding, isKept: false)
        #expect(Self.name(asked.responseEnded()) == "close")
        var finished = Self.connection(.responding)
        _ = finished.inputClosed()
        #expect(Self.name(finished.responseEnded()) == "close")
        var drained = Self.connection(.streaming)
        _ = drained.drain()
        #expect(Self.name(drained.responseEnded()) == "close")
    }

    @Test("starts a stream for a client that has sent a FIN, and probes whether it still reads")
    func halfClosed() {
        var connection = Self.connection(.responding)
        #expect(Self.name(connection.inputClosed()) == "nothing")
        #expect(Self.name(connection.beganStreaming()) == "probe")
        #expect(connection.state == .streaming && !connection.isKept)
        #expect(Self.name(connection.responseEnded()) == "close")
    }

    @Test("accepts a body up to the limit and refuses one more byte")
    func bodyLimit() {
        var connection = Self.connection(.receiving)
        _ = connection.headArrived(
            HTTPRequestHead(version: .http1_1, method: .POST, uri: "/", headers: ["host": "t"]))
        #expect(
            Self.name(connection.bodyArrived(ByteBuffer(repeating: 0, count: HTTPLimits.requestBodyBytes)))
                == "nothing")
        #expect(Self.name(connection.bodyArrived(ByteBuffer(repeating: 0, count: 1))) == "refuse 413")
    }

    @Test("refuses a request by its head, before the body arrives")
    func heads() {
        func action(_ name: String, _ value: String, version: HTTPVersion = .http1_1) -> String {
            var connection = Self.connection(.receiving)
            let head = HTTPRequestHead(version: version, method: .POST, uri: "/", headers: ["host": "t", name: value])
            return Self.name(connection.headArrived(head))
        }
        #expect(action("content-length", "65537") == "refuse 413")
        #expect(action("content-length", "65536") == "nothing")
        #expect(action("x-large", String(repeating: "a", count: HTTPLimits.requestHeadBytes)) == "refuse 431")
        #expect(action("expect", "100-continue") == "sendContinue")
        #expect(action("expect", "wonders") == "refuse 417")
        #expect(action("expect", "100-continue", version: .http1_0) == "nothing")
    }

    private static func name(_ action: ConnectionState.Action) -> String {
        switch action {
        case .refuse(let problem): "refuse \(problem.status.code)"
        case .respond: "respond"
        default: "\(action)"
        }
    }
}
