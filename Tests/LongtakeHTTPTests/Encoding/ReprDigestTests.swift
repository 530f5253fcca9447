import HTTPTypes
import LongtakeCore
import Testing

@testable import LongtakeHTTP

@Suite("Repr-Digest") struct ReprDigestTests {
    /// The SHA-256 of the three bytes `abc` (FIPS 180-4, example).
    private static let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    private static let field = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"

    @Test(
        "finds the SHA-256 among other algorithms",
        arguments: [
            [field], [" \(field) "], ["sha-512=:AAAA:, \(field)"], ["sha-512=:AAAA:", field], ["\(field);a=1"],
            ["sha-256=:AAAA:, \(field)"],
        ])
    func parse(fields: [String]) throws {
        #expect(try ReprDigest.parse(fields)?.hex == Self.hex)
    }

    @Test("is absent if the request names no SHA-256", arguments: [[], ["sha-512=:AAAA:"], ["unixsum=5"], [""]])
    func absent(fields: [String]) throws { #expect(try ReprDigest.parse(fields) == nil) }

    @Test(
        "returns 400 for a malformed digest",
        arguments: [
            "sha-256", "sha-256=abc", "sha-256=::", "sha-256=:AAAA:", "sha-256=\(hex)", "sha-256=:\(hex):",
            "SHA-256=:AA==:",
            "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "sha-256=(:AAAA:)", "=", "\(field),",
        ])
    func malformed(field: String) {
        let problem = #expect(throws: Problem.self) { try ReprDigest.parse([field]) }
        #expect(problem?.status.code == 400)
    }

    @Test("is written in base64")
    func text() throws { #expect(ReprDigest.text(try #require(ContentHash(hex: Self.hex))) == Self.field) }
}
