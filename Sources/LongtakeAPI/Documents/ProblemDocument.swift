public import LongtakeCore

/// An error response in JSON: `application/problem+json` (RFC 9457).
public struct ProblemDocument: Codable, Hashable, Sendable {
    /// The URI of the problem's type. ``problemType`` is the parsed value.
    public var type: String
    public var title: String
    public var status: Int
    public var detail: String?
    /// The errors in the body of the request, for a 422.
    public var errors: [InputProblem]?

    public init(type: ProblemType, title: String, status: Int, detail: String?, errors: [InputProblem]?) {
        self.type = type.uri
        self.title = title
        self.status = status
        self.detail = detail
        self.errors = errors
    }

    /// `nil` if this version does not know the type.
    public var problemType: ProblemType? { ProblemType(uri: type) }
}

/// All types of problems. Programs rely on them, so an existing one never changes.
public enum ProblemType: String, CaseIterable, Hashable, Sendable {
    // Access
    case keyMissing = "key-missing"
    case keyUnknown = "key-unknown"
    case ticketUnknown = "ticket-unknown"
    case ticketExpired = "ticket-expired"
    case ticketNotAccepted = "ticket-not-taken"
    case rightMissing = "right-missing"
    case tooManyRequests = "too-many-requests"
    case unknownHost = "unknown-host"
    case foreignOrigin = "foreign-origin"
    case noSigningKey = "no-signing-key"
    // The request
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case unknownMethod = "unknown-method"
    case notAcceptable = "not-acceptable"
    case unsupportedMediaType = "unsupported-media-type"
    case badRequest = "bad-request"
    case badHeader = "bad-header"
    case badQuery = "bad-query"
    case invalidBody = "invalid-body"
    case malformedRequest = "malformed-request"
    case headTooLarge = "head-too-large"
    case bodyTooLarge = "body-too-large"
    case requestTimeout = "request-timeout"
    case expectationFailed = "expectation-failed"
    case unknownTransferCoding = "unknown-transfer-coding"
    case unknownContentCoding = "unknown-content-coding"
    // Resources
    case noSuchJob = "no-such-job"
    case noSuchFile = "no-such-file"
    case noSuchArtifact = "no-such-artifact"
    case artifactGone = "artifact-gone"
    case noSuchQueue = "no-such-queue"
    case noSuchBackup = "no-such-backup"
    case wrongState = "wrong-state"
    case outdatedJob = "outdated-job"
    case idempotencyConflict = "idempotency-conflict"
    case cursorGone = "cursor-gone"
    case backupRunning = "backup-running"
    // Limits and failures
    case tooManyQueued = "too-many-queued"
    case tooManyBytes = "too-many-bytes"
    case tooManyUploads = "too-many-uploads"
    case fileTooLarge = "file-too-large"
    case digestMismatch = "digest-mismatch"
    case uploadTooSlow = "upload-too-slow"
    case diskFull = "disk-full"
    case tooManyStreams = "too-many-streams"
    case tooManyWaits = "too-many-waits"
    case overloaded
    case unavailable
    case draining
    case cannotPersist = "cannot-persist"
    case outcomeUnknown = "outcome-unknown"
    case backupsUnanswered = "backups-unanswered"
    case canceled
    case `internal`

    private static let prefix = "urn:longtake:problem:"

    /// The value of `type` in JSON.
    public var uri: String { Self.prefix + rawValue }

    /// Parses the value of `type`; `nil` if this version does not know it.
    public init?(uri: String) {
        guard uri.hasPrefix(Self.prefix) else { return nil }
        self.init(rawValue: String(uri.dropFirst(Self.prefix.count)))
    }
}
