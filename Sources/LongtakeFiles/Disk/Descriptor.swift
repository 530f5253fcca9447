import Glibc
import LongtakeCore

/// An open regular file. It is closed when the last reference to this object goes away.
final class Descriptor: Sendable {
    let number: Int32
    private let probe: DiskProbe

    init(_ number: Int32, probe: DiskProbe) {
        self.number = number
        self.probe = probe
    }

    deinit { close(number) }

    /// The number of bytes. It is the logical size: holes count.
    func bytes() throws(FileStoreError) -> Int64 { try Self.bytes(of: number) }

    /// The number of bytes of a descriptor that somebody else owns.
    /// - Throws: ``FileStoreError/failed(_:)`` if it is no regular file.
    static func bytes(of number: Int32) throws(FileStoreError) -> Int64 {
        var information = stat()
        guard fstat(number, &information) == 0 else { throw .system("cannot examine a file") }
        guard information.st_mode & S_IFMT == S_IFREG else { throw .failed("is not a regular file") }
        return Int64(information.st_size)
    }

    /// Writes all bytes at the offset.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(FileStoreError) {
        try probe.before(.write(number))
        var written = 0
        while written < bytes.count {
            let more = pwrite(number, bytes.baseAddress! + written, bytes.count - written, off_t(offset) + written)
            if more < 0, errno == EINTR { continue }
            guard more > 0 else { throw .system("cannot write a file") }
            written += more
        }
    }

    /// Reads from the offset until the buffer is full or the file ends.
    /// - Returns: the number of bytes.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(FileStoreError) -> Int {
        try Self.read(number, into: buffer, at: offset)
    }

    static func read(
        _ number: Int32, into buffer: UnsafeMutableRawBufferPointer, at offset: Int64
    ) throws(FileStoreError) -> Int {
        var count = 0
        while count < buffer.count {
            let more = pread(number, buffer.baseAddress! + count, buffer.count - count, off_t(offset) + count)
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { throw .system("cannot read a file") }
            if more == 0 { break }
            count += more
        }
        return count
    }

    /// The first bytes, at most `limit`.
    func head(_ limit: Int) throws(FileStoreError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        let result = bytes.withUnsafeMutableBytes { buffer in
            Result { () throws(FileStoreError) in try read(into: buffer, at: 0) }
        }
        count = try result.get()
        return Array(bytes.prefix(count))
    }

    /// Waits until the bytes are on the disk. After a failure it must not be called again for the
    /// same file: the kernel may have dropped the bytes, and a second call would succeed.
    func sync() throws(FileStoreError) {
        try probe.before(.syncFile(number))
        guard fdatasync(number) == 0 else { throw .system("cannot sync a file") }
        probe.after(.syncFile(number))
    }
}

extension FileStoreError {
    /// The error of the system call that has just failed.
    /// - Parameter action: what the store could not do, without a path.
    static func system(_ action: String, _ code: Int32 = errno) -> FileStoreError {
        switch code {
        case ENOSPC, EDQUOT: .full
        default: .failed("\(action): \(String(cString: strerror(code)))")
        }
    }
}
