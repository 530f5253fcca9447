import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Writes the bytes of a stream directly to the socket with `send(2)`, or through the channel if
/// earlier bytes still wait there.
///
/// A direct write costs the system call and little else: no promise, no pending write, no walk
/// through the handlers. Bytes that the kernel does not take go to the channel, which waits until
/// the socket is writable. docs/benchmarks.md has the measurement.
final class StreamSocket {
    private let channel: any Channel
    /// Only used while the channel is active. After that the system may reuse the number for
    /// another socket.
    private let descriptor: CInt?
    /// The channel writes that the kernel has not taken yet. All later bytes must queue behind
    /// them.
    private var pendingWrites = 0

    private static let pieceBytes = 4_096

    /// Must be called on the channel's event loop.
    init(_ channel: any Channel) {
        self.channel = channel
        // If there is no socket, as in some tests, everything goes through the channel.
        descriptor = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            $0
        }
    }

    /// Whether the kernel has taken all bytes.
    var isIdle: Bool { pendingWrites == 0 }

    /// Writes as many bytes as the kernel takes without blocking.
    /// - Returns: the number of bytes that the kernel took; 0 if earlier bytes still wait.
    func send(_ bytes: ByteBuffer) -> Int {
        guard pendingWrites == 0, let descriptor, channel.isActive else { return 0 }
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let taken = bytes.withUnsafeReadableBytes { bytes in
            guard bytes.count > 0 else { return 0 }
            #if canImport(Glibc)
                return Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
            #else
                return Musl.send(descriptor, bytes.baseAddress, bytes.count, flags)
            #endif
        }
        // After an error the channel gets the bytes, meets the same error and handles it.
        return max(0, taken)
    }

    /// Writes bytes through the channel, in pieces, so that progress of a slow reader is visible.
    /// - Parameter taken: called for each piece when the kernel has taken it or the connection has
    ///   closed.
    /// - Returns: the number of pieces.
    func queue(_ bytes: ByteBuffer, on context: ChannelHandlerContext, taken: @escaping () -> Void) -> Int {
        var rest = bytes
        var pieces = 0
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.pieceBytes)), piece.readableBytes > 0 {
            context.write(NIOAny(piece), promise: promise(taken: taken))
            pieces += 1
        }
        context.flush()
        return pieces
    }

    /// Makes the close a reset, so that the kernel discards unsent bytes at once (SO_LINGER in
    /// socket(7)).
    func resetAtClose() {
        guard let descriptor, channel.isActive else { return }
        var noLinger = linger(l_onoff: 1, l_linger: 0)
        // If this fails, the close is orderly, and the kernel gives up after its own timeout.
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &noLinger, socklen_t(MemoryLayout<linger>.size))
    }

    /// Limits the bytes that the client may send before they are read (`TCP_WINDOW_CLAMP`, tcp(7)).
    /// A Unix socket has no window, and its buffer is small.
    func limitWindow(to bytes: CInt) {
        guard let descriptor, channel.isActive else { return }
        var bytes = bytes
        // If this fails, the kernel chooses the limit.
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_WINDOW_CLAMP, &bytes, socklen_t(MemoryLayout<CInt>.size))
    }

    /// The bytes that the kernel has taken and the client has not acknowledged; 0 if there is no
    /// socket.
    var unacknowledgedBytes: Int {
        guard let descriptor, channel.isActive else { return 0 }
        var count: CInt = 0
        // SIOCOUTQ (tcp(7), unix(7)) has the number of TIOCOUTQ.
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
    }

    /// Makes the promise of a write through the channel.
    /// - Parameter taken: called when the kernel has taken the bytes or the connection has closed.
    func promise(taken: @escaping () -> Void = {}) -> EventLoopPromise<Void> {
        pendingWrites += 1
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.pendingWrites -= 1
            taken()
        }
        return promise
    }
}
