/// How long an uploaded file is kept, if no job refers to it.
public struct FileLifetime: Hashable, Sendable {
    /// The time that clients see, of the wall clock.
    public let expiresAt: Timestamp
    /// The same moment on the steady clock. The store removes files by this time, so setting the
    /// wall clock removes none too early.
    public let keptUntil: Timestamp

    /// - Parameters:
    ///   - expiresAt: a time of the wall clock.
    ///   - moment: now.
    public init(until expiresAt: Timestamp, at moment: ClockReading) {
        let left = max(0, expiresAt.millisecondsSince1970 - moment.time.millisecondsSince1970)
        self.init(expiresAt: expiresAt, keptUntil: moment.steady.advanced(by: .milliseconds(left)))
    }

    /// A stored lifetime.
    public init(expiresAt: Timestamp, keptUntil: Timestamp) {
        self.expiresAt = expiresAt
        self.keptUntil = keptUntil
    }

    /// The longer of both lifetimes.
    public func renewed(by other: FileLifetime) -> FileLifetime {
        FileLifetime(expiresAt: max(expiresAt, other.expiresAt), keptUntil: max(keptUntil, other.keptUntil))
    }

    /// The lifetime after a client was told about the file, which keeps it for at least
    /// ``Limits/fileLifetime``; `nil` if it lasts that long already.
    public func renewed(at moment: ClockReading) -> FileLifetime? {
        let least = FileLifetime(until: moment.time.advanced(by: Limits.fileLifetime), at: moment)
        guard keptUntil < least.keptUntil || expiresAt < least.expiresAt else { return nil }
        let time = least.expiresAt.advanced(by: Limits.fileRenewalSlack)
        return renewed(by: FileLifetime(until: time, at: moment))
    }
}

extension UploadedFile {
    /// The same file with another ``expiresAt``.
    public func expiring(_ time: Timestamp) -> UploadedFile {
        UploadedFile(content: content, type: type, name: name, createdAt: createdAt, expiresAt: time)
    }

    /// Checks that a tenant has room for a new file.
    /// - Parameters:
    ///   - used: the bytes of the files of the tenant.
    ///   - limit: the largest number of bytes of all its files.
    /// - Throws: ``JournalError/tooManyBytes``.
    public static func requireRoom(
        for bytes: Int64, beside used: Int64, limit: Int64
    ) throws(JournalError) {
        let (sum, overflows) = used.addingReportingOverflow(bytes)
        guard !overflows, sum <= limit else { throw .tooManyBytes }
    }

    /// Checks that a file can be deleted.
    /// - Parameters:
    ///   - exists: whether the tenant has the file.
    ///   - isReferenced: whether a kept job refers to it.
    /// - Throws: ``JournalError/noSuchFile``, or ``JournalError/refused(_:)`` with
    ///   ``JobRefusal/fileInUse``.
    public static func requireDeletable(exists: Bool, isReferenced: Bool) throws(JournalError) {
        guard exists else { throw .noSuchFile }
        guard !isReferenced else { throw .refused(.fileInUse) }
    }
}
