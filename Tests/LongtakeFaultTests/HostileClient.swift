import Glibc
import LongtakeDaemonDriver

/// A malicious or broken client (fault F13). A seed decides what it sends.
struct HostileClient {
    let daemon: DaemonProcess
    var generator: SeededGenerator
    /// The number of attacks so far.
    private(set) var injections = 0
    /// The responses with an unexpected status.
    private(set) var unexpectedResponses: [String] = []

    enum Attack: String, CaseIterable {
        case slowHeads, drippingBodies, idleConnections
        case garbage, halfRequests, resets, reconnects, pipelines, endlessHeads, absurdChunks

        /// Whether the client sends almost nothing. Then it must cost the daemon almost nothing.
        var isQuiet: Bool { [.slowHeads, .drippingBodies, .idleConnections].contains(self) }
    }

    init(_ daemon: DaemonProcess, _ generator: SeededGenerator) {
        self.daemon = daemon
        self.generator = generator
    }

    mutating func run(_ attack: Attack, for seconds: Double) throws {
        let deadline = Deadline(seconds)
        switch attack {
        case .slowHeads: try drip("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", deadline)
        case .drippingBodies:
            try drip(
                "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n\"",
                deadline)
        case .idleConnections: try idle(deadline)
        case .garbage: try repeated(deadline) { try $0.garbage() }
        case .halfRequests: try repeated(deadline) { try $0.halfRequest() }
        case .resets: try repeated(deadline) { try $0.reset() }
        case .reconnects: try repeated(deadline) { try $0.reconnects() }
        case .pipelines: try repeated(deadline) { try $0.pipelines() }
        case .endlessHeads: try repeated(deadline) { try $0.endlessHead() }
        case .absurdChunks: try repeated(deadline) { try $0.absurdChunk() }
        }
    }

    private mutating func repeated(_ deadline: Deadline, _ once: (inout Self) throws -> Void) throws {
        repeat { try once(&self) } while !deadline.isOver
    }

    private func connect() throws -> Socket {
        let socket = try daemon.connect()
        // If the daemon stops reading, a send must not block the test.
        var limit = timeval(tv_sec: 0, tv_usec: 100_000)
        setsockopt(socket.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    /// Sends a text. It ignores errors, because the daemon may have stopped reading.
    private func push(_ text: String, _ socket: Socket) { try? socket.send(text) }

    /// The status of a response within 0.3 s; `nil` if there is none or the connection is closed.
    private func status(_ socket: Socket) -> Int? { try? socket.readHead(within: 0.3).status }

    private mutating func expectRejection(_ socket: Socket, of what: String) {
        injections += 1
        guard let status = status(socket), !(400...499).contains(status), ![501, 503, 505].contains(status) else {
            return
        }
        unexpectedResponses.append("\(what) got status \(status)")
    }

    // MARK: Attacks that send almost nothing

    private mutating func drip(_ beginning: String, _ deadline: Deadline) throws {
        var sockets: [Socket] = []
        for _ in 0..<100 {
            let socket = try connect()
            push(beginning, socket)
            sockets.append(socket)
        }
        while !deadline.isOver {
            for index in sockets.indices where generator.percent(10) {
                injections += 1
                if (try? sockets[index].send("a")) == nil { sockets[index] = try connect() }
            }
            poll(nil, 0, 100)
        }
    }

    private mutating func idle(_ deadline: Deadline) throws {
        var sockets: [Socket] = []
        for _ in 0..<500 {
            sockets.append(try connect())
            injections += 1
        }
        // Keeps the connections open and sends nothing.
        while !deadline.isOver { poll(nil, 0, 50) }
        withExtendedLifetime(sockets) {}
    }

    // MARK: Attacks that send a lot

    private mutating func garbage() throws {
        let socket = try connect()
        var bytes = (0..<generator.draw(1...4_000)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        switch generator.draw(0...3) {
        // The beginning of a ClientHello (RFC 8446 §4.1.2), and the preface of HTTP/2 (RFC 9113
        // §3.4).
        case 0: bytes = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03] + bytes
        case 1: bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + bytes
        case 2: bytes = Array("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n".utf8) + bytes
        default: break
        }
        try? socket.send(bytes)
        if generator.percent(30) { socket.finishSending() }
        if generator.percent(30) { socket.resetAtClose() }
        if generator.percent(30) { expectRejection(socket, of: "garbage") } else { injections += 1 }
    }

    private mutating func halfRequest() throws {
        let whole = Array(RequestText.submission(#"{"input":{"prompt":"half"}}"#).utf8)
        let socket = try connect()
        try? socket.send(Array(whole[..<generator.draw(1...(whole.count - 1))]))
        socket.finishSending()
        expectRejection(socket, of: "half a request")
    }

    private mutating func reset() throws {
        let socket = try connect()
        push(
            "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n",
            socket)
        // The reset comes in the middle of the head, in the middle of an event, or between two
        // events.
        _ = try? socket.read(count: generator.draw(1...6_000), within: 0.05)
        socket.resetAtClose()
        injections += 1
    }

    private mutating func reconnects() throws {
        var sockets: [Socket] = []
        for _ in 0..<1_000 { sockets.append(try connect()) }
        for socket in sockets {
            push(
                "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n",
                socket)
        }
        for socket in sockets {
            injections += 1
            let status = try? socket.readHead(within: 20).status
            if status != 200 { unexpectedResponses.append("a reader that reconnected got status \(status ?? 0)") }
            if generator.percent(50) { socket.resetAtClose() }
        }
    }

    private mutating func pipelines() throws {
        var sockets: [Socket] = []
        for _ in 0..<10 {
            let socket = try connect()
            let one =
                generator.percent(50)
                ? "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n" : RequestText.submission("{}")
            push(String(repeating: one, count: 300), socket)
            sockets.append(socket)
            injections += 1
        }
        for socket in sockets where generator.percent(50) { _ = try? socket.read(count: 20_000, within: 0.1) }
    }

    private mutating func endlessHead() throws {
        let socket = try connect()
        switch generator.draw(0...3) {
        case 0:
            push("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" + String(repeating: "a: b\r\n", count: 20_000), socket)
        case 1:
            push("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nA: " + String(repeating: "b", count: 1_000_000), socket)
        case 2: push("GET /" + String(repeating: "a", count: 500_000), socket)
        default: push(String(repeating: "\r\n", count: 200_000), socket)
        }
        expectRejection(socket, of: "an endless head")
    }

    private mutating func absurdChunk() throws {
        let socket = try connect()
        push(
            "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            socket)
        switch generator.draw(0...5) {
        case 0: push("ffffffffffffffff\r\n{}", socket)
        case 1: push("fffffffffffffffffffffffff\r\n{}", socket)
        case 2: push("-1\r\n{}", socket)
        case 3: push("7fffffff\r\n" + String(repeating: "a", count: 300_000), socket)
        case 4: push(String(repeating: "1\r\na\r\n", count: 70_000), socket)
        default: push("1;" + String(repeating: "x", count: 300_000), socket)
        }
        expectRejection(socket, of: "an absurd chunk")
    }
}
