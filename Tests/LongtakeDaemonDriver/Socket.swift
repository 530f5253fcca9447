import Glibc

/// A blocking socket with deadlines, for tests that check bytes.
package final class Socket {
    package enum Failure: Error {
        case cannotConnect(Int32)
        case timedOut(String)
        case cannotSend(Int32)
    }

    package let descriptor: CInt
    private var buffer: [UInt8] = []
    package private(set) var isAtEnd = false

    /// Connects to a port of the loopback interface.
    /// - Parameter receiveBuffer: the approximate size of the kernel's receive buffer; `nil` for
    ///   its default.
    package init(port: Int, receiveBuffer: CInt? = nil) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<CInt>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr = in_addr(s_addr: UInt32(0x7f00_0001).bigEndian)
        try connect(&address)
    }

    /// Connects to a Unix socket.
    package init(path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        try connect(&address)
    }

    deinit { Glibc.close(descriptor) }

    private func connect<Address>(_ address: inout Address) throws {
        let size = socklen_t(MemoryLayout<Address>.size)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, size) }
        }
        guard result == 0 else { throw Failure.cannotConnect(errno) }
    }

    package func send(_ text: String) throws { try send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failure.cannotSend(errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// Half-closes the connection.
    package func finishSending() { shutdown(descriptor, CInt(SHUT_WR)) }

    /// Makes the close of this socket send a reset, like a process that dies with unread bytes.
    package func resetAtClose() {
        var atOnce = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    }

    /// Waits until the peer has closed the connection, without reading any bytes.
    package func waitForCut(within seconds: Double) -> Bool {
        var wanted = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&wanted, 1, Deadline(seconds).milliseconds) > 0
    }

    /// Whether bytes can be read now.
    package var hasBytes: Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return !buffer.isEmpty || poll(&wanted, 1, 0) > 0
    }

    /// Waits until bytes can be read from one of the sockets.
    /// - Returns: `false` if that did not happen in time.
    package static func waitForBytes(on sockets: [Socket], within seconds: Double) -> Bool {
        var wanted = sockets.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        return poll(&wanted, nfds_t(wanted.count), Deadline(seconds).milliseconds) > 0
    }

    /// Reads up to and including `mark`, or to the end of the connection.
    package func read(through mark: String, within seconds: Double = 30) throws -> [UInt8] {
        let mark = Array(mark.utf8)
        let deadline = Deadline(seconds)
        var searched = 0
        while true {
            if let end = buffer.end(of: mark, from: searched) { return take(end) }
            searched = max(0, buffer.count - mark.count)
            guard try fill(deadline) else { return take(buffer.count) }
        }
    }

    /// Reads this many bytes, or fewer at the end of the connection.
    package func read(count: Int, within seconds: Double = 30) throws -> [UInt8] {
        let deadline = Deadline(seconds)
        while buffer.count < count {
            guard try fill(deadline) else { break }
        }
        return take(min(count, buffer.count))
    }

    package func readToEnd(within seconds: Double = 30) throws -> [UInt8] {
        let deadline = Deadline(seconds)
        while try fill(deadline) {}
        return take(buffer.count)
    }

    private func take(_ count: Int) -> [UInt8] {
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    /// Returns `false` at the end of the connection, also after a reset.
    private func fill(_ deadline: Deadline) throws -> Bool {
        guard !isAtEnd else { return false }
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wanted, 1, deadline.milliseconds) > 0 else {
            throw Failure.timedOut(String(decoding: buffer.suffix(400), as: UTF8.self))
        }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else {
            isAtEnd = true
            return false
        }
        buffer += bytes[..<count]
        return true
    }
}

/// The time by which something must happen.
package struct Deadline {
    private let end: ContinuousClock.Instant

    package init(_ seconds: Double) { end = .now + .seconds(seconds) }

    package var isOver: Bool { ContinuousClock.now >= end }

    package var milliseconds: CInt { CInt(max(0, (end - .now) / .milliseconds(1))) }
}

extension [UInt8] {
    /// The index after the first occurrence of `mark` that begins at `start` or later. A loop over
    /// the elements would be slow in a debug build.
    package func end(of mark: [UInt8], from start: Int = 0) -> Int? {
        withUnsafeBytes { bytes in
            mark.withUnsafeBytes { mark in
                guard let base = bytes.baseAddress, let wanted = mark.baseAddress else { return nil }
                var start = start
                while start <= bytes.count - mark.count {
                    let candidates = bytes.count - mark.count - start + 1
                    guard let found = memchr(base + start, CInt(mark[0]), candidates) else { return nil }
                    if memcmp(found, wanted, mark.count) == 0 { return UnsafeRawPointer(found) - base + mark.count }
                    start = UnsafeRawPointer(found) - base + 1
                }
                return nil
            }
        }
    }
}

/// The ports of a TCP connection over IPv4.
package enum SocketPort {
    /// The local port; `nil` if the descriptor is not such a socket.
    package static func local(of descriptor: CInt) -> UInt16? { port(of: descriptor, getsockname) }

    /// The remote port; `nil` if the descriptor is not such a socket or not connected.
    package static func peer(of descriptor: CInt) -> UInt16? { port(of: descriptor, getpeername) }

    private typealias Lookup = (CInt, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt

    private static func port(of descriptor: CInt, _ look: Lookup) -> UInt16? {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { look(descriptor, $0, &length) }
        }
        return result == 0 && address.sin_family == sa_family_t(AF_INET) ? UInt16(bigEndian: address.sin_port) : nil
    }
}
