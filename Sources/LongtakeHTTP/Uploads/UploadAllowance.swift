import LongtakeCore

/// What the uploads in progress use of the limits. A value without clock and lock, so that tests
/// can try every order.
struct UploadAllowance: Sendable {
    /// Why an upload may not begin or continue.
    enum Refusal: Error, Hashable, Sendable {
        /// Too many uploads of the account, or of all.
        case tooManyUploads
        /// The quota of the tenant is used up.
        case quota
    }

    let limits: UploadLimits
    private var uploads = 0
    private var uploadsByAccount: [String: Int] = [:]
    private var reservedByTenant: [TenantName: Int64] = [:]

    init(_ limits: UploadLimits) { self.limits = limits }

    /// Whether no upload is in progress and nothing is reserved.
    var isIdle: Bool { uploads == 0 && uploadsByAccount.isEmpty && reservedByTenant.isEmpty }

    /// - Parameter account: `nil` without a key. Then only the limit of all uploads counts.
    mutating func begin(for account: String?) throws(Refusal) {
        let own = account.map { uploadsByAccount[$0, default: 0] } ?? 0
        guard uploads < limits.uploads, own < limits.uploadsPerKey else { throw .tooManyUploads }
        uploads += 1
        if let account { uploadsByAccount[account] = own + 1 }
    }

    mutating func end(for account: String?) {
        uploads -= 1
        guard let account else { return }
        let left = uploadsByAccount[account, default: 1] - 1
        uploadsByAccount[account] = left > 0 ? left : nil
    }

    /// Reserves bytes of the quota of a tenant.
    /// - Parameters:
    ///   - isPartial: whether fewer bytes help as well, for an upload of unknown length.
    ///   - usedBytes: the bytes of the stored files of the tenant.
    /// - Returns: the number of reserved bytes, at least 1 unless `bytes` is 0.
    mutating func reserve(
        _ bytes: Int64, of tenant: TenantName, isPartial: Bool, usedBytes: Int64
    ) throws(Refusal) -> Int64 {
        let own = reservedByTenant[tenant, default: 0]
        let granted = min(bytes, limits.bytesPerTenant - usedBytes - own)
        guard granted == bytes || (isPartial && granted > 0) else { throw .quota }
        if granted > 0 { reservedByTenant[tenant] = own + granted }
        return granted
    }

    /// Returns reserved bytes.
    mutating func release(_ bytes: Int64, of tenant: TenantName) {
        let left = reservedByTenant[tenant, default: bytes] - bytes
        reservedByTenant[tenant] = left > 0 ? left : nil
    }
}

/// Limits of uploads, each with its reason.
public struct UploadLimits: Hashable, Sendable {
    /// Bytes of one file: `limits.file_megabytes`.
    public var fileBytes: Int64
    /// Bytes of all files of one tenant: `limits.file_gigabytes_per_tenant`.
    public var bytesPerTenant: Int64
    /// Uploads of one key at once. A browser opens six connections to a host.
    public var uploadsPerKey: Int
    /// Uploads at once. Each has a connection, an open file and a buffer.
    public var uploads: Int
    /// How many bytes an upload of unknown length reserves at once, as ``SpaceGate/stepBytes``.
    public var stepBytes: Int64

    /// - Parameters: see the properties. The defaults are those of the settings.
    public init(
        fileBytes: Int64 = 1_024 << 20, bytesPerTenant: Int64 = 50 << 30,
        uploadsPerKey: Int = 16, uploads: Int = 256, stepBytes: Int64 = 64 << 20
    ) {
        self.fileBytes = fileBytes
        self.bytesPerTenant = bytesPerTenant
        self.uploadsPerKey = uploadsPerKey
        self.uploads = uploads
        self.stepBytes = stepBytes
    }
}
