import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// Takes a response's body into one buffer.
final class CollectedBody: ResponseBodyWriter, Sendable {
    private let buffer = Mutex(ByteBuffer())

    var bytes: ByteBuffer { buffer.withLock { $0 } }

    func write(_ bytes: ByteBuffer) async throws { _ = buffer.withLock { $0.writeImmutableBuffer(bytes) } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
