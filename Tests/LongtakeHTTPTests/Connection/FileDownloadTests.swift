import Glibc
import NIOCore
import Testing

@testable import LongtakeHTTP

@Suite("the pieces of a download")
struct FileDownloadTests {
    // Fails if a piece is skipped or sent beside another, and if the size stays the same.
    @Test("cover the part once, one at a time, and are large only for a client that is fast")
    func pieces() {
        let body = FileBody(
            takingOwnershipOf: open("/dev/null", O_RDONLY | O_CLOEXEC), offset: 1_000, length: 5_000_000)
        var now = NIODeadline.uptimeNanoseconds(1_000)
        let download = FileDownload(body, DownloadPace(at: now))
        var (counts, end, isOver): ([Int], Int64, Bool) = ([], 1_000, false)
        while let piece = download.nextPiece() {
            #expect(piece.offset == end && !isOver)
            download.pieceIsLoaded(piece)
            let (first, second) = (download.beginSending(at: now), download.beginSending(at: now))
            #expect(first == piece && second == nil)
            now = now + (counts.count == 4 ? .seconds(1) : .milliseconds(5))
            isOver = download.endSending(at: now)
            counts.append(piece.count)
            end += Int64(piece.count)
        }
        let (small, medium, large) = (262_144, 524_288, 1_048_576)
        #expect(counts == [small, medium, large, large, large, small, medium, 281_408])
        #expect(isOver && end == 5_001_000)
    }

    @Test("wait until the piece before them is sent")
    func order() throws {
        let body = FileBody(takingOwnershipOf: open("/dev/null", O_RDONLY | O_CLOEXEC), length: 1_000_000)
        let now = NIODeadline.uptimeNanoseconds(1_000)
        let download = FileDownload(body, DownloadPace(at: now))
        let pieces = try [#require(download.nextPiece()), #require(download.nextPiece())]
        download.pieceIsLoaded(pieces[0])
        var sent = [download.beginSending(at: now)]
        download.pieceIsLoaded(pieces[1])
        sent.append(download.beginSending(at: now))
        let isOver = download.endSending(at: now)
        sent.append(download.beginSending(at: now))
        #expect(sent == [pieces[0], nil, pieces[1]] && !isOver)
    }
}
