import Crypto
import LongtakeCore

/// An unfinished file, with the hash, the size and the first bytes of what was written so far.
struct DraftFile: Sendable {
    let name: String
    let file: Descriptor
    private var hasher = SHA256()
    /// The bytes that were hashed.
    private(set) var bytes: Int64 = 0
    /// The first of these bytes, at most ``HeldContent/headBytes``.
    private(set) var head: [UInt8] = []

    init(name: String, in drafts: Directory) throws(FileStoreError) {
        self.name = name
        file = try drafts.makeFile(name)
    }

    var hash: ContentHash { ContentHash(bytes: hasher.finalize()) }

    /// Writes bytes at the end.
    mutating func append(_ more: [UInt8]) throws(FileStoreError) {
        let result = more.withUnsafeBytes { buffer in
            Result { () throws(FileStoreError) in try file.write(buffer, at: bytes) }
        }
        try result.get()
        more.withUnsafeBytes { add($0) }
    }

    /// Reads bytes that were copied into the file, and hashes them.
    /// - Parameter limit: how many bytes to read at most.
    /// - Returns: the number of bytes; 0 at the end of the file.
    mutating func readBack(_ limit: Int) throws(FileStoreError) -> Int {
        let size = min(FileCopy.bufferBytes, limit)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        var total = 0
        while total < limit {
            let wanted = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(size, limit - total)])
            let count = try file.read(into: wanted, at: bytes)
            if count == 0 { break }
            add(UnsafeRawBufferPointer(rebasing: wanted[..<count]))
            total += count
        }
        return total
    }

    private mutating func add(_ buffer: UnsafeRawBufferPointer) {
        hasher.update(bufferPointer: buffer)
        bytes += Int64(buffer.count)
        if head.count < HeldContent.headBytes { head += buffer.prefix(HeldContent.headBytes - head.count) }
    }
}

extension DraftFile {
    /// A file that is copied into a draft.
    struct Import: Sendable {
        private var draft: DraftFile
        private var copy: FileCopy
        private let isCloned: Bool
        private let limit: Int64

        /// - Throws: ``FileStoreError/tooLarge`` if the file has more bytes than `limit`.
        init(_ source: Int32, to draft: DraftFile, limit: Int64) throws(FileStoreError) {
            guard try Descriptor.bytes(of: source) <= limit else { throw .tooLarge }
            self.draft = draft
            self.limit = limit
            copy = FileCopy(from: source, to: draft.file)
            isCloned = try copy.clone()
            // The file may have grown since its size was read.
            guard copy.bytes <= limit else { throw .tooLarge }
        }

        /// Copies and hashes one piece.
        /// - Returns: the draft when it is complete.
        mutating func step() throws(FileStoreError) -> DraftFile? {
            var count = FileCopy.pieceBytes
            if !isCloned {
                // It may copy one byte more than allowed. If it does, the file is too large.
                let rest = limit - copy.bytes
                count = try copy.copy(rest < Int64(count) ? Int(rest) + 1 : count)
                guard copy.bytes <= limit else { throw .tooLarge }
            }
            let hashed = count == 0 ? 0 : try draft.readBack(count)
            guard hashed == 0 else { return nil }
            guard draft.bytes == copy.bytes else { throw .failed("a copy is shorter than its file") }
            return draft
        }
    }
}
