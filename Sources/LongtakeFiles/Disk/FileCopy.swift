import Glibc
import LongtakeCore

/// A copy of a regular file that is made piece by piece, from its beginning.
struct FileCopy: Sendable {
    private let source: Int32
    private let target: Descriptor
    private var copiesInKernel = true
    /// The bytes that the target has.
    private(set) var bytes: Int64 = 0

    /// Bytes of one piece. The disk's threads do other work between two pieces.
    static let pieceBytes = 8 * 1024 * 1024
    /// Bytes that are read into memory at once.
    static let bufferBytes = 1024 * 1024

    init(from source: Int32, to target: Descriptor) {
        self.source = source
        self.target = target
    }

    /// Clones the whole file: source and target share blocks until one of them changes.
    /// - Returns: `false` if the file system cannot do it. Then the file must be copied.
    mutating func clone() throws(FileStoreError) -> Bool {
        // FICLONE of linux/fs.h, `_IOW(0x94, 9, int)`, see ioctl_ficlone(2).
        guard ioctl(target.number, 0x4004_9409, source) == 0 else { return false }
        bytes = try target.bytes()
        return true
    }

    /// Copies at most `limit` further bytes.
    /// - Returns: the number of copied bytes; 0 at the end of the file.
    mutating func copy(_ limit: Int) throws(FileStoreError) -> Int {
        if copiesInKernel {
            if let count = try copyInKernel(limit) { return count }
            copiesInKernel = false
        }
        return try copyThroughMemory(limit)
    }

    /// - Returns: `nil` if the file system cannot copy this file.
    private mutating func copyInKernel(_ limit: Int) throws(FileStoreError) -> Int? {
        guard let copyFileRange = Self.copyFileRange else { return nil }
        var (from, to) = (off_t(bytes), off_t(bytes))
        let count = copyFileRange(source, &from, target.number, &to, limit, 0)
        if count < 0 {
            switch errno {
            case EXDEV, ENOSYS, EINVAL, EOPNOTSUPP, EPERM, EBADF: return nil
            case EINTR: return try copyInKernel(limit)
            default: throw .system("cannot copy a file")
            }
        }
        // Some file systems report no bytes for files that can be read (copy_file_range(2), BUGS).
        if count == 0, bytes == 0 { return nil }
        bytes += Int64(count)
        return count
    }

    private mutating func copyThroughMemory(_ limit: Int) throws(FileStoreError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: min(limit, Self.bufferBytes), alignment: 16)
        defer { buffer.deallocate() }
        let count = try Descriptor.read(source, into: buffer, at: bytes)
        try target.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), at: bytes)
        bytes += Int64(count)
        return count
    }

    private typealias CopyFileRange =
        @convention(c) (
            Int32, UnsafeMutablePointer<off_t>?, Int32, UnsafeMutablePointer<off_t>?, Int, UInt32
        ) -> Int

    /// copy_file_range(2). glibc declares it only for programs that define `_GNU_SOURCE`.
    private static let copyFileRange: CopyFileRange? = dlsym(nil, "copy_file_range").map {
        unsafeBitCast($0, to: CopyFileRange.self)
    }
}
