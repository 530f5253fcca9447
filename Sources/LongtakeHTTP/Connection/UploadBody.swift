import LongtakeCore
import NIOCore
import Synchronization

/// The body of an upload on its way from the connection to its route: a sequence of buffers for one
/// reader.
///
/// If the route is slower than the client, the connection stops reading the socket. The sequence
/// throws `CancellationError` if the client disconnects before the end, is too slow, or breaks the
/// framing, and if the task of the reader is cancelled. Bytes that arrived before may be lost then.
final class UploadBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    private struct State: Sendable {
        var buffer = UploadBuffer()
        var reader: CheckedContinuation<ByteBuffer?, any Error>?
    }

    private let state = Mutex(State())
    private let memory: UploadMemory
    /// Tells the connection that the route wants bytes. Called on the task of the reader.
    private let wanted: @Sendable () -> Void

    init(memory: UploadMemory, wanted: @escaping @Sendable () -> Void) {
        self.memory = memory
        self.wanted = wanted
    }

    deinit { memory.add(-state.withLock { $0.buffer.bytes }) }

    // MARK: For the connection

    /// - Returns: whether the connection may go on reading the socket.
    func append(_ bytes: ByteBuffer) -> Bool {
        perform { $0.append(bytes) }
        return state.withLock { !$0.buffer.isFull }
    }

    /// The body is complete.
    func finish() { perform { $0.end(isComplete: true) } }

    /// The rest of the body does not arrive. Bytes that nobody has read are dropped.
    func cut() { perform { $0.end(isComplete: false) } }

    /// Whether the connection should read the socket again.
    var hasRoom: Bool { state.withLock { !$0.buffer.isFull } }

    // MARK: For the route

    func makeAsyncIterator() -> Iterator { Iterator(body: self) }

    struct Iterator: AsyncIteratorProtocol {
        fileprivate let body: UploadBody

        func next() async throws -> ByteBuffer? { try await body.next() }
    }

    private func next() async throws -> ByteBuffer? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { reader in
                let isWanted = state.withLock { state in
                    precondition(state.reader == nil, "the body of an upload has one reader")
                    state.reader = reader
                    return state.buffer.ask()
                }
                perform { _ in }
                if isWanted { wanted() }
            }
        } onCancel: {
            cut()
        }
    }

    /// Changes the buffer and then gives the reader what there is for it.
    private func perform(_ change: (inout UploadBuffer) -> Void) {
        let (reader, result, added) = state.withLock {
            state -> (CheckedContinuation<ByteBuffer?, any Error>?, UploadBuffer.Item, Int) in
            let before = state.buffer.bytes
            change(&state.buffer)
            let item = state.reader == nil ? .nothing : state.buffer.take()
            let reader = item == .nothing ? nil : state.reader
            if reader != nil { state.reader = nil }
            return (reader, item, state.buffer.bytes - before)
        }
        memory.add(added)
        switch result {
        case .nothing: break
        case .bytes(let bytes): reader?.resume(returning: bytes)
        case .end: reader?.resume(returning: nil)
        case .cut: reader?.resume(throwing: CancellationError())
        }
    }
}

/// The bytes that wait for the reader of an upload. It is a pure value.
struct UploadBuffer: Sendable {
    enum Item: Hashable, Sendable {
        /// The reader waits.
        case nothing
        case bytes(ByteBuffer)
        case end
        case cut
    }

    /// If this many bytes wait, the connection stops reading the socket. One turn of the event loop
    /// may read up to 256 KiB more.
    static let fullBytes = 128 * 1024
    /// If at most this many bytes wait, the connection reads on.
    static let roomBytes = 32 * 1024
    /// Smaller pieces are copied together. A slice of some bytes would keep the whole buffer of its
    /// read in memory.
    private static let pieceBytes = 16 * 1024
    /// The reader gets at most this many bytes at once, unless a single read brought more. What it
    /// takes is written by another thread, and this switch costs more than the copy into one piece.
    private static let takenBytes = 128 * 1024

    private var pieces = CircularBuffer<ByteBuffer>(initialCapacity: 0)
    private(set) var bytes = 0
    private(set) var isFull = false
    private var end: Item?
    private var wasAsked = false

    mutating func append(_ piece: ByteBuffer) {
        guard end == nil, piece.readableBytes > 0 else { return }
        bytes += piece.readableBytes
        isFull = isFull || bytes >= Self.fullBytes
        if piece.readableBytes >= Self.pieceBytes { return pieces.append(piece) }
        if let last = pieces.last, last.readableBytes + piece.readableBytes <= Self.pieceBytes {
            // In place, because the buffer is the only owner of what it has copied.
            pieces[pieces.index(before: pieces.endIndex)].writeImmutableBuffer(piece)
        } else {
            var copy = ByteBufferAllocator().buffer(capacity: piece.readableBytes)
            copy.writeImmutableBuffer(piece)
            pieces.append(copy)
        }
    }

    mutating func end(isComplete: Bool) {
        guard end != .cut else { return }
        end = isComplete ? .end : .cut
        guard !isComplete else { return }
        (pieces, bytes) = (CircularBuffer(initialCapacity: 0), 0)
    }

    /// The reader wants the next bytes.
    /// - Returns: whether the connection must learn it, because it is the first time or because the
    ///   connection has stopped reading and there is room again.
    mutating func ask() -> Bool {
        defer { wasAsked = true }
        guard isFull, bytes <= Self.roomBytes else { return !wasAsked }
        isFull = false
        return true
    }

    /// Takes what the reader gets next: all pieces that wait, up to ``takenBytes``, as one.
    mutating func take() -> Item {
        guard let first = pieces.popFirst() else { return end ?? .nothing }
        let taken = merged(first)
        bytes -= taken.readableBytes
        return .bytes(taken)
    }

    private mutating func merged(_ first: ByteBuffer) -> ByteBuffer {
        guard let second = pieces.first, first.readableBytes + second.readableBytes <= Self.takenBytes else {
            return first
        }
        var all = ByteBufferAllocator().buffer(capacity: min(bytes, Self.takenBytes))
        all.writeImmutableBuffer(first)
        while let next = pieces.first, all.readableBytes + next.readableBytes <= Self.takenBytes {
            all.writeImmutableBuffer(next)
            pieces.removeFirst()
        }
        return all
    }
}

/// The bytes of all uploads that wait in memory.
final class UploadMemory: Sendable {
    private let count = Atomic(0)

    var bytes: Int { count.load(ordering: .relaxed) }

    fileprivate func add(_ bytes: Int) { if bytes != 0 { count.add(bytes, ordering: .relaxed) } }
}
