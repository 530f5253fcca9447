import Glibc
import LongtakeDaemonDriver

/// A client that means no good, or knows no better (fault F13). What it does is drawn from a seed.
struct HostileClient {
    let daemon: DaemonProcess
    var generator: SeededGenerator
    /// How often it did it.
    private(set) var injections = 0
    /// Answers that nobody should get for what it sent.
    private(set) var complaints: [String] = []

    /// What it does.
    enum Manner: String, CaseIterable {
        case slowHeads, drippingBodies, idleConnections
        case garbage, halfRequests, resets, reconnects, pipelines, endlessHeads, absurdChunks

        /// Whether it sends next to nothing, so that it may cost next to nothing.
        var isQuiet: Bool { [.slowHeads, .drippingBodies, .idleConnections].contains(self) }
    }

    init(_ daemon: DaemonProcess, _ generator: SeededGenerator) {
        self.daemon = daemon
        self.generator = generator
    }

    mutating func attack(_ manner: Manner, for seconds: Double) throws {
        let deadline = Deadline(seconds)
        switch manner {
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
        // Who is not read from is not to hang in a send.
        var limit = timeval(tv_sec: 0, tv_usec: 100_000)
        setsockopt(socket.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return socket
    }

    /// Sends what the other side may have stopped reading.
    private func push(_ text: String, _ socket: Socket) { try? socket.send(text) }

    /// The status that comes within a moment; `nil` where nothing comes, or the connection is cut.
    private func status(_ socket: Socket) -> Int? { try? socket.readHead(within: 0.3).status }

    private mutating func expectRefusal(_ socket: Socket, of what: String) {
        injections += 1
        guard let status = status(socket), !(400...499).contains(status), ![501, 503, 505].contains(status) else {
            return
        }
        complaints.append("\(what) was answered with \(status)")
    }

    // MARK: Quiet

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
        // To be there and say nothing is what it does.
        while !deadline.isOver { poll(nil, 0, 50) }
        withExtendedLifetime(sockets) {}
    }

    // MARK: Loud

    private mutating func garbage() throws {
        let socket = try connect()
        var bytes = (0..<generator.draw(1...4_000)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        switch generator.draw(0...3) {
        // The beginning of a ClientHello (RFC 8446 §4.1.2), and the preface of HTTP/2 (RFC 9113 §3.4).
        case 0: bytes = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03] + bytes
        case 1: bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + bytes
        case 2: bytes = Array("GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n".utf8) + bytes
        default: break
        }
        try? socket.send(bytes)
        if generator.percent(30) { socket.finishSending() }
        if generator.percent(30) { socket.resetAtClose() }
        if generator.percent(30) { expectRefusal(socket, of: "garbage") } else { injections += 1 }
    }

    private mutating func halfRequest() throws {
        let whole = Array(DaemonProcess.submission(#"{"input":{"prompt":"half"}}"#).utf8)
        let socket = try connect()
        try? socket.send(Array(whole[..<generator.draw(1...(whole.count - 1))]))
        socket.finishSending()
        expectRefusal(socket, of: "half a request")
    }

    private mutating func reset() throws {
        let socket = try connect()
        push(
            "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: 0\r\n\r\n",
            socket)
        // In the middle of the head, of an event, or between two.
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
            if status != 200 { complaints.append("a reader that came back got \(status ?? 0)") }
            if generator.percent(50) { socket.resetAtClose() }
        }
    }

    private mutating func pipelines() throws {
        var sockets: [Socket] = []
        for _ in 0..<10 {
            let socket = try connect()
            let one =
                generator.percent(50)
                ? "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n" : DaemonProcess.submission("{}")
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
        expectRefusal(socket, of: "an endless head")
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
        expectRefusal(socket, of: "an absurd chunk")
    }
}
