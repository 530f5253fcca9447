import LongtakeCore
import Testing

@testable import LongtakeHTTP

@Suite("the allowance of uploads") struct UploadAllowanceTests {
    private static let limits = UploadLimits(
        fileBytes: 1_000, bytesPerTenant: 100, uploadsPerKey: 2, uploads: 3, stepBytes: 50)
    private static let tenant = TenantName(unchecked: "t")

    @Test("refuses more uploads of a key, and more uploads in all, than the limits")
    func places() throws {
        var allowance = UploadAllowance(Self.limits)
        try allowance.begin(for: "a")
        try allowance.begin(for: "a")
        #expect(throws: UploadAllowance.Refusal.tooManyUploads) { try allowance.begin(for: "a") }
        try allowance.begin(for: nil)
        #expect(throws: UploadAllowance.Refusal.tooManyUploads) { try allowance.begin(for: "b") }
        allowance.end(for: "a")
        try allowance.begin(for: "b")
        for account in ["a", "b", nil] { allowance.end(for: account) }
        #expect(allowance.isIdle)
        for _ in 0..<3 { try allowance.begin(for: nil) }
        #expect(throws: UploadAllowance.Refusal.tooManyUploads) { try allowance.begin(for: nil) }
    }

    @Test("counts the stored bytes and the reserved bytes of the tenant")
    func quota() throws {
        var allowance = UploadAllowance(Self.limits)
        func reserve(_ bytes: Int64, of tenant: TenantName = Self.tenant) throws -> Int64 {
            try allowance.reserve(bytes, of: tenant, isPartial: false, usedBytes: 10)
        }
        #expect(try reserve(60) == 60)
        #expect(throws: UploadAllowance.Refusal.quota) { try reserve(31) }
        #expect(try reserve(30) == 30)
        #expect(throws: UploadAllowance.Refusal.quota) { try reserve(1) }
        let other = TenantName(unchecked: "u")
        #expect(try reserve(90, of: other) == 90)
        allowance.release(90, of: other)
        allowance.release(60, of: Self.tenant)
        allowance.release(30, of: Self.tenant)
        #expect(allowance.isIdle)
    }

    @Test("reserves what is left for an upload of unknown length")
    func partial() throws {
        var allowance = UploadAllowance(Self.limits)
        #expect(try allowance.reserve(50, of: Self.tenant, isPartial: true, usedBytes: 70) == 30)
        #expect(throws: UploadAllowance.Refusal.quota) {
            try allowance.reserve(50, of: Self.tenant, isPartial: true, usedBytes: 70)
        }
    }
}
