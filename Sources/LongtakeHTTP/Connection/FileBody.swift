import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A part of an open file, which becomes the body of a response.
///
/// It owns the descriptor: when the last copy of the value is gone, the descriptor is closed,
/// whether the file was sent or not.
struct FileBody: Sendable {
    let file: OpenFile
    /// The index of the first byte.
    let offset: Int64
    /// The number of bytes: the `Content-Length` of the response.
    let length: Int64

    /// - Parameters:
    ///   - descriptor: an open regular file. The body closes it. It must not be used otherwise.
    ///   - offset: at least 0.
    ///   - length: at least 0. If the file ends earlier, the connection is reset while it sends the
    ///     body.
    init(takingOwnershipOf descriptor: CInt, offset: Int64 = 0, length: Int64) {
        precondition(offset >= 0 && length >= 0, "a part of a file has no negative numbers")
        file = OpenFile(descriptor)
        self.offset = offset
        self.length = length
    }
}

/// An open file that is closed exactly once.
final class OpenFile: Sendable {
    private let descriptor: CInt
    /// The same descriptor, as the channel wants it.
    let handle: NIOFileHandle

    fileprivate init(_ descriptor: CInt) {
        self.descriptor = descriptor
        handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor)
    }

    deinit {
        // The channel no longer uses the handle, or it would still hold this object's promise.
        guard let descriptor = try? handle.takeDescriptorOwnership() else { return }
        // Closing the last descriptor of a large file that was unlinked frees its blocks, which
        // takes too long for an event loop.
        FilePages.pool.submit { _ in close(descriptor) }
    }

    /// Reads a part of the file into the page cache. It blocks.
    /// - Returns: whether the file has all of these bytes.
    func load(offset: Int64, count: Int) -> Bool {
        // Starts one large read. The loop below then waits for it.
        posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
        let end = offset + Int64(count)
        // A read of one byte waits for its whole page. To copy all bytes would cost as much as to
        // send them.
        return stride(from: offset, to: end, by: Self.pageBytes).allSatisfy { hasByte(at: $0) } && hasByte(at: end - 1)
    }

    /// The smallest size of a page. With larger ones, some are read more than once.
    private static let pageBytes = 4_096

    private func hasByte(at offset: Int64) -> Bool {
        var byte: UInt8 = 0
        while true {
            let read = pread(descriptor, &byte, 1, off_t(offset))
            if read < 0, errno == EINTR { continue }
            return read > 0
        }
    }
}

/// Reads parts of files into the page cache on threads that may wait for the disk, so that the
/// event loops do not.
enum FilePages {
    /// These threads live as long as the process.
    fileprivate static var pool: NIOThreadPool { NIOSingletons.posixBlockingThreadPool }

    /// - Returns: whether the file has all of these bytes and the disk could read them.
    static func load(_ file: OpenFile, offset: Int64, count: Int) async -> Bool {
        await withCheckedContinuation { caller in
            pool.submit { _ in caller.resume(returning: file.load(offset: offset, count: count)) }
        }
    }
}
