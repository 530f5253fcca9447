import LongtakeCore
import Testing

@testable import LongtakeFiles

@Suite("the directory of a tenant")
struct TenantDirectoryTests {
    private static let hostile = [
        "anonymous", "a-b_9", "", ".", "..", "a/b", "../../etc", "/", "%", "%61", "a", "A", "Ä", "\u{0}", "a\nb", "a b",
        String(repeating: "x", count: 255), String(repeating: "/", count: 85),
    ]

    @Test("is a safe file name that leads back to the tenant", arguments: hostile)
    func reversible(text: String) throws {
        let name = try TenantDirectory.name(of: TenantName(unchecked: text))
        #expect((1...255).contains(name.utf8.count))
        #expect(name != "." && name != ".." && !name.contains("/"))
        #expect(name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        #expect(TenantDirectory.tenant(of: name)?.description == text)
    }

    @Test("differs between tenants")
    func unique() throws {
        let names = try Self.hostile.map { try TenantDirectory.name(of: TenantName(unchecked: $0)) }
        #expect(Set(names).count == names.count)
    }

    @Test("refuses a name that is too long")
    func long() {
        #expect(throws: FileStoreError.self) {
            try TenantDirectory.name(of: TenantName(unchecked: String(repeating: "/", count: 86)))
        }
    }

    @Test("ignores names that no tenant has", arguments: ["README", "%4", "%zz", "%61", "a%", ".", "%2F", "%ff"])
    func foreign(name: String) { #expect(TenantDirectory.tenant(of: name) == nil) }
}
