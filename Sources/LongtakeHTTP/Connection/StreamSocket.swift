import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// The way of a stream's bytes to the kernel: at once with `send(2)` where nothing waits before them, and through the channel otherwise.
///
/// Past the channel because this is what a delivered event costs: the system call and hardly anything else, no promise, no pending write,
/// no walk through handlers. What the kernel does not take goes to the channel, which waits for room as always. docs/benchmarks.md has
/// the measurement.
final class StreamSocket {
    private let channel: any Channel
    /// Used only while the channel is active, so never after it was closed and its number given to another socket.
    private let descriptor: CInt?
    /// Writes that are with the channel and that the kernel has not taken yet. While there are any, all else has to queue behind them.
    private var waiting = 0

    /// A piece of a stream that waits for the kernel, in bytes.
    private static let piece = 4_096

    /// On the channel's event loop.
    init(_ channel: any Channel) {
        self.channel = channel
        // Where there is none, as in a test without a socket, everything goes through the channel.
        descriptor = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
            $0
        }
    }

    /// Whether all that was sent is with the kernel.
    var isIdle: Bool { waiting == 0 }

    /// Gives the kernel what it takes now.
    /// - Returns: how many of the bytes it took; 0 where others wait before them.
    func send(_ bytes: ByteBuffer) -> Int {
        guard waiting == 0, let descriptor, channel.isActive else { return 0 }
        let flags = CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL)
        let taken = bytes.withUnsafeReadableBytes { bytes in
            guard bytes.count > 0 else { return 0 }
            #if canImport(Glibc)
                return Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
            #else
                return Musl.send(descriptor, bytes.baseAddress, bytes.count, flags)
            #endif
        }
        // An error is met again by the channel, which knows what to do about it.
        return max(0, taken)
    }

    /// Leaves to the channel what the kernel did not take: in pieces, so that a slow reader is seen to take them.
    /// - Parameter taken: called for each piece when the kernel has it, or the connection is gone.
    /// - Returns: how many pieces.
    func queue(_ bytes: ByteBuffer, on context: ChannelHandlerContext, taken: @escaping () -> Void) -> Int {
        var rest = bytes
        var pieces = 0
        while let piece = rest.readSlice(length: min(rest.readableBytes, Self.piece)), piece.readableBytes > 0 {
            context.write(NIOAny(piece), promise: promise(taken: taken))
            pieces += 1
        }
        context.flush()
        return pieces
    }

    /// Has the close be a reset, so that the kernel lets go at once of what a stuck reader does not take (SO_LINGER in socket(7)).
    func resetAtClose() {
        guard let descriptor, channel.isActive else { return }
        var atOnce = linger(l_onoff: 1, l_linger: 0)
        // Where it fails, the close is an orderly one, and the kernel gives up by itself.
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
    }

    /// A promise for a write that goes through the channel; `taken` is called when the kernel has it, or the connection is gone.
    func promise(taken: @escaping () -> Void = {}) -> EventLoopPromise<Void> {
        waiting += 1
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.waiting -= 1
            taken()
        }
        return promise
    }
}
