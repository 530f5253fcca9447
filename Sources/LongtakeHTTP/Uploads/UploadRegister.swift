import HTTPTypes
import LongtakeAPI
import LongtakeCore
import LongtakeStream
import Synchronization

/// Counts the uploads in progress of all connections, and reserves bytes for them.
final class UploadRegister: Sendable {
    private let allowance: Mutex<UploadAllowance>
    private let space: SpaceGate
    private let transfers: TransferCounts
    let limits: UploadLimits

    /// - Parameter space: the disk, which stages use too.
    init(_ limits: UploadLimits, space: SpaceGate, transfers: TransferCounts = TransferCounts()) {
        self.limits = limits
        self.space = space
        self.transfers = transfers
        allowance = Mutex(UploadAllowance(limits))
    }

    /// Begins an upload.
    /// - Parameter needsQuota: `false` for content that the tenant already has.
    /// - Throws: ``Problem`` with 429 if too many uploads are in progress, 507 if the disk is full.
    func begin(for caller: Caller, needsQuota: Bool) throws -> Upload {
        let account = caller.owner.account
        let room = try Self.refusing { try space.reserve(0) }
        try Self.refusing { try allowance.withLock { try $0.begin(for: account) } }
        return Upload(register: self, account: account, tenant: caller.tenant, needsQuota: needsQuota, space: room)
    }

    /// One upload in progress. It returns its place and its bytes when its last reference is
    /// released.
    final class Upload: Sendable {
        private let register: UploadRegister
        private let account: String?
        private let tenant: TenantName
        private let space: SpaceReservation
        let needsQuota: Bool
        private let bytes = Mutex((granted: Int64(0), written: Int64(0)))

        fileprivate init(
            register: UploadRegister, account: String?, tenant: TenantName, needsQuota: Bool, space: SpaceReservation
        ) {
            self.register = register
            self.account = account
            self.tenant = tenant
            self.needsQuota = needsQuota
            self.space = space
            register.transfers.uploadBegan()
        }

        deinit {
            register.transfers.uploadEnded()
            let granted = bytes.withLock { $0.granted }
            register.allowance.withLock { state in
                if needsQuota { state.release(granted, of: tenant) }
                state.end(for: account)
            }
        }

        /// How many of the next `count` bytes are not reserved yet.
        func missing(for count: Int) -> Int64 {
            bytes.withLock { max(0, $0.written + Int64(count) - $0.granted) }
        }

        /// Notes that reserved bytes are on the disk now.
        func wrote(_ count: Int) {
            bytes.withLock { $0.written += Int64(count) }
            space.wrote(Int64(count))
            register.transfers.uploaded(count)
        }

        /// Reserves more bytes of the quota and of the disk.
        /// - Parameters:
        ///   - isPartial: whether fewer bytes help as well.
        ///   - usedBytes: the bytes of the stored files of the tenant.
        /// - Throws: ``Problem`` with 429 or 507.
        func reserve(_ count: Int64, isPartial: Bool, usedBytes: Int64) throws {
            let granted =
                try needsQuota
                ? UploadRegister.refusing {
                    try register.allowance.withLock {
                        try $0.reserve(count, of: tenant, isPartial: isPartial, usedBytes: usedBytes)
                    }
                } : count
            bytes.withLock { $0.granted += granted }
            try UploadRegister.refusing { try space.grow(by: granted) }
        }
    }

    /// Turns refusals into problems.
    private static func refusing<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let refusal as UploadAllowance.Refusal {
            throw refusal == .quota ? Problem.tooManyBytes : .tooManyUploads
        } catch is SpaceRefusal {
            throw Problem.diskFull
        }
    }
}

extension Problem {
    static let tooManyUploads = Problem(
        type: .tooManyUploads, status: .tooManyRequests, title: "Too many uploads",
        detail: "The limit of uploads at once is reached. Send the file when another upload has ended.",
        headers: [.retryAfter: "5"])

    static let diskFull = Problem(
        type: .diskFull, status: .init(code: 507, reasonPhrase: "Insufficient Storage"), title: "Disk full",
        detail: "The disk of the daemon has no room for the file. Nothing was stored.", headers: [.retryAfter: "60"])

    static func fileTooLarge(_ limit: Int64) -> Problem {
        Problem(
            type: .fileTooLarge, status: .contentTooLarge, title: "File too large",
            detail: "The limit for a file is \(limit) bytes.")
    }

    static func malformedForm(_ reason: String) -> Problem { .badRequest("The body \(reason).") }
}
