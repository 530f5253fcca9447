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
        let isUpload = state == .uploading || state == .answering
        _ = connection.headArrived(head, isUpload: isUpload)
        if state == .answering { _ = connection.answerBegins() }
        if isUpload { return connection }
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
            ("body", { $0.bodyArrived(ByteBuffer(string: "b")) }), ("end", { $0.endArrived() }),
            ("body wanted", { $0.bodyWanted() }), ("stream", { $0.beganStreaming() }),
        ]
        // The columns are those above. `receiving` is before the head, so its body and end do not
        // count.
        let expected: [(ConnectionState.State, [String], [String])] = [
            (
                .idle, ["expectRequest", "refuse 400", "nothing", "close", "close", "close"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .receiving, ["nothing", "refuse 400", "nothing", "close", "refuse 408", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .uploading, ["nothing", "refuse 400", "nothing", "close", "refuse 408", "nothing"],
                ["takeBody", "endUpload", "nothing", "nothing"]
            ),
            (
                .answering, ["nothing", "nothing", "linger", "nothing", "close", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .responding, ["nothing", "nothing", "awaitNext", "nothing", "close", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .streaming, ["close", "close", "awaitNext", "probe", "nothing", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .refused, ["nothing", "nothing", "nothing", "close", "close", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
            (
                .closed, ["nothing", "nothing", "nothing", "nothing", "nothing", "nothing"],
                ["nothing", "nothing", "nothing", "nothing"]
            ),
        ]
        for (state, connectionActions, bodyActions) in expected {
            for (event, action) in zip(events, connectionActions + bodyActions) {
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

    @Test("writes a response only when the routes have the request")
    func answers() {
        let expected: [(ConnectionState.State, Bool, ConnectionState.State)] = [
            (.idle, false, .idle), (.receiving, false, .receiving), (.uploading, true, .answering),
            (.answering, false, .answering), (.responding, true, .responding), (.streaming, false, .streaming),
            (.refused, false, .refused), (.closed, false, .closed),
        ]
        for (state, mayAnswer, next) in expected {
            var connection = Self.connection(state)
            let may = connection.answerBegins()
            #expect(may == mayAnswer && connection.state == next, "\(state)")
        }
    }

    @Test("starts an upload at its head, of any length, and keeps the connection if its end arrives in time")
    func upload() {
        var connection = Self.connection(.receiving)
        #expect(
            Self.name(connection.headArrived(Self.post("content-length", "9999999"), isUpload: true)) == "beginUpload")
        #expect(Self.name(connection.bodyArrived(ByteBuffer(repeating: 0, count: 100_000))) == "takeBody")
        #expect(Self.name(connection.endArrived()) == "endUpload")
        let mayAnswer = connection.answerBegins()
        #expect(connection.state == .responding && mayAnswer && connection.isKept)
        #expect(Self.name(connection.responseEnded()) == "awaitNext")
    }

    @Test("closes after a response that comes before the end of an upload")
    func early() {
        var connection = Self.connection(.uploading)
        let mayAnswer = connection.answerBegins()
        #expect(mayAnswer && !connection.isKept && connection.discardsBytes)
        #expect(Self.name(connection.endArrived()) == "nothing")
        #expect(Self.name(connection.responseEnded()) == "linger")
        #expect(connection.state == .refused)
        var finished = Self.connection(.answering)
        _ = finished.inputClosed()
        #expect(Self.name(finished.responseEnded()) == "close", "nothing more can arrive")
    }

    @Test("sends 100 Continue for an upload once, when its route asks, and not after bytes of the body")
    func expectations() {
        var asked = Self.connection(.receiving)
        #expect(Self.name(asked.headArrived(Self.post("expect", "100-continue"), isUpload: true)) == "beginUpload")
        #expect(asked.awaitsContinue)
        #expect(Self.name(asked.bodyWanted()) == "sendContinue")
        #expect(Self.name(asked.bodyWanted()) == "nothing")
        var impatient = Self.connection(.receiving)
        _ = impatient.headArrived(Self.post("expect", "100-continue"), isUpload: true)
        _ = impatient.bodyArrived(ByteBuffer(string: "b"))
        #expect(Self.name(impatient.bodyWanted()) == "nothing")
        var strange = Self.connection(.receiving)
        #expect(Self.name(strange.headArrived(Self.post("expect", "wonders"), isUpload: true)) == "refuse 417")
    }

    @Test("refuses trailers over the limit, also of an upload")
    func trailers() {
        var connection = Self.connection(.uploading)
        let trailers = HTTPHeaders([("x", String(repeating: "a", count: HTTPLimits.requestHeadBytes))])
        #expect(Self.name(connection.endArrived(trailers)) == "refuse 431")
    }

    private static func post(_ name: String, _ value: String) -> HTTPRequestHead {
        HTTPRequestHead(version: .http1_1, method: .POST, uri: "/", headers: ["host": "t", name: value])
    }

    private static func name(_ action: ConnectionState.Action) -> String {
        switch action {
        case .refuse(let problem): "refuse \(problem.status.code)"
        case .respond: "respond"
        case .beginUpload: "beginUpload"
        case .takeBody: "takeBody"
        default: "\(action)"
        }
    }
}
