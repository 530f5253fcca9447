import LongtakeStream
import NIOCore
import NIOHTTP1

/// The part of a file that a connection is sending.
///
/// While one piece is sent, the next one is loaded.
final class FileDownload {
    struct Piece: Hashable, Sendable {
        let offset: Int64
        let count: Int
    }

    let file: OpenFile
    /// The first byte that nobody has loaded yet.
    private var next: Int64
    private let end: Int64
    private var pieceBytes = FileDownload.smallestPieceBytes
    /// The piece that waits until the channel has sent the one before.
    private var loaded: Piece?
    private var sending: (piece: Piece, since: NIODeadline)?
    var pace: DownloadPace

    /// Bytes that are read from the disk at once and then handed to the channel. They wait in the
    /// page cache, so they cost the process nothing. But before a slow client takes them, the
    /// kernel may drop them, and the event loop would wait for the disk.
    private static let smallestPieceBytes: Int64 = 256 * 1024
    /// Large pieces for clients that are fast save switches between threads.
    private static let largestPieceBytes: Int64 = 1024 * 1024
    /// A client is fast if it takes a piece within this time.
    private static let fastTime = TimeAmount.milliseconds(20)
    /// Bytes of one write. When the kernel has taken them, the access log counts them.
    static let writeBytes = 64 * 1024

    init(_ body: FileBody, _ pace: DownloadPace) {
        file = body.file
        next = body.offset
        end = body.offset + body.length
        self.pace = pace
    }

    /// The next piece to load; `nil` at the end.
    func nextPiece() -> Piece? {
        guard next < end else { return nil }
        let piece = Piece(offset: next, count: Int(min(pieceBytes, end - next)))
        next += Int64(piece.count)
        return piece
    }

    func pieceIsLoaded(_ piece: Piece) { loaded = piece }

    /// - Returns: the piece to send now; `nil` if none is loaded, or the channel still sends one.
    func beginSending(at now: NIODeadline) -> Piece? {
        guard sending == nil, let piece = loaded else { return nil }
        (loaded, sending) = (nil, (piece, now))
        return piece
    }

    /// The kernel has taken the piece.
    /// - Returns: whether it was the last one.
    func endSending(at now: NIODeadline) -> Bool {
        guard let (piece, since) = sending else { return false }
        sending = nil
        let isFast = now - since < Self.fastTime
        pieceBytes = isFast ? min(pieceBytes * 2, Self.largestPieceBytes) : Self.smallestPieceBytes
        return piece.offset + Int64(piece.count) == end
    }
}

/// Decides when a client that does not read a download is disconnected. It is a pure value.
struct DownloadPace: Hashable, Sendable {
    /// What changes when the client takes bytes.
    struct Mark: Hashable, Sendable {
        /// Bytes that wait in the channel.
        var buffered: Int
        /// Bytes that wait in the kernel, or on the way to the client.
        var unacknowledged: Int
    }

    /// How long a client may take nothing.
    struct Patience: Hashable, Sendable {
        /// A client that takes no byte for this long is disconnected.
        var limit = TimeAmount.seconds(60)
        /// The time between two looks at the client. The disconnection may be late by this much.
        var interval = TimeAmount.seconds(10)
    }

    private let limit: TimeAmount
    private var mark: Mark?
    private var progress: NIODeadline

    init(limit: TimeAmount = Patience().limit, at now: NIODeadline) {
        self.limit = limit
        progress = now
    }

    /// The kernel has taken some bytes.
    mutating func tookBytes(at now: NIODeadline) { (mark, progress) = (nil, now) }

    /// - Returns: whether the client has taken a byte within the limit.
    mutating func isAlive(_ mark: Mark, at now: NIODeadline) -> Bool {
        // Right after a write, the mark only shows what was written.
        if let last = self.mark, last != mark { progress = now }
        self.mark = mark
        return now - progress < limit
    }
}

/// The connection while its response is a file.
extension ConnectionHandler {
    /// Sends the file in pieces. A piece is first read into the page cache by another thread. The
    /// next one follows when the kernel has taken the last, so a download costs a descriptor and no
    /// memory.
    func sendFile(_ body: FileBody) {
        let download = FileDownload(body, DownloadPace(limit: service.patience.limit, at: channel.eventLoop.now))
        self.download = download
        startDeadline(service.patience.interval)
        loadNextPiece(of: download)
    }

    private func loadNextPiece(of download: FileDownload) {
        guard let piece = download.nextPiece() else { return }
        let (loop, file) = (channel.eventLoop, download.file)
        let handler = NIOLoopBound(self, eventLoop: loop)
        // The task ends when the disk answers. Nobody waits for it.
        _ = service.hub.tasks.start {
            let isWhole = await FilePages.load(file, offset: piece.offset, count: piece.count)
            loop.execute { handler.value.pieceIsLoaded(piece, isWhole: isWhole) }
        }
    }

    private func pieceIsLoaded(_ piece: FileDownload.Piece, isWhole: Bool) {
        // Otherwise the connection has closed.
        guard let download, context != nil else { return }
        // The client was promised more bytes than there are. Only a reset says so.
        guard isWhole else { return abortDownload() }
        download.pieceIsLoaded(piece)
        sendLoadedPiece(of: download)
    }

    private func sendLoadedPiece(of download: FileDownload) {
        guard let piece = download.beginSending(at: channel.eventLoop.now) else { return }
        loadNextPiece(of: download)
        let end = Int(piece.offset) + piece.count
        for start in stride(from: Int(piece.offset), to: end, by: FileDownload.writeBytes) {
            let stop = min(start + FileDownload.writeBytes, end)
            let region = FileRegion(fileHandle: download.file.handle, readerIndex: start, endIndex: stop)
            let written = channel.eventLoop.makePromise(of: Void.self)
            written.futureResult.assumeIsolated().whenComplete { result in
                self.wrote(stop - start, isLast: stop == end, of: download, result)
            }
            write(.body(.fileRegion(region)), promise: written)
        }
        context?.flush()
    }

    private func wrote(_ bytes: Int, isLast: Bool, of download: FileDownload, _ result: Result<Void, any Error>) {
        // `download` also keeps the descriptor open until the channel no longer uses it.
        guard case .success = result else { return }
        record?.bytes += bytes
        service.transfers.downloaded(bytes)
        let now = channel.eventLoop.now
        download.pace.tookBytes(at: now)
        guard isLast, self.download === download else { return }
        guard download.endSending(at: now) else { return sendLoadedPiece(of: download) }
        self.download = nil
        deadline.stop()
        endResponse()
    }

    /// Called at each ``DownloadPace/Patience/interval``.
    func checkDownload(_ download: FileDownload) {
        let mark = DownloadPace.Mark(
            buffered: (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0,
            unacknowledged: StreamSocket(channel).unacknowledgedBytes)
        guard download.pace.isAlive(mark, at: channel.eventLoop.now) else { return abortDownload() }
        startDeadline(service.patience.interval)
    }

    private func abortDownload() {
        download = nil
        writeRecord(.client)
        StreamSocket(channel).resetAtClose()
        context?.close(promise: nil)
    }
}
