import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeHTTP

@Suite("tickets and keys")
struct AccessTests {
    private static let time = Timestamp(millisecondsSince1970: 1_795_000_000_000)
    private static let caller = Caller(
        tenant: TenantName(unchecked: "acme"), rights: [.read, .submit], key: KeyID("0123456789ab"))

    private static func draw() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }

    private static func ticket() -> Ticket {
        var generator = SystemRandomNumberGenerator()
        let jobs = (0..<3).map { _ in JobID(at: time, using: &generator) }
        return Ticket(for: caller, jobs: jobs, expiresAt: time.advanced(by: .seconds(60)))
    }

    @Test("a ticket is read back as it was signed, and one that anything was changed in is not")
    func tampering() throws {
        let signer = TicketSigner([SigningKey(at: Self.time, random: Self.draw)])
        let ticket = Self.ticket()
        let text = try #require(try signer.sign(ticket))
        #expect(signer.read(text)?.ticket == ticket)
        #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x26 && $0 != 0x3d && $0 != 0x2b && $0 != 0x2f })
        // Every byte, one after the other.
        for index in text.utf8.indices {
            var bytes = Array(text.utf8)
            let place = text.utf8.distance(from: text.utf8.startIndex, to: index)
            bytes[place] = bytes[place] == 0x41 ? 0x42 : 0x41
            let changed = String(decoding: bytes, as: UTF8.self)
            // The last digit of base64 may have bits that mean nothing; then it says the same.
            #expect(changed == text || signer.read(changed) == nil || signer.read(changed)?.ticket == ticket)
        }
        for broken in ["", ".", "..", "a.b.c", String(text.dropLast(3)), text + ".", text + "=", "x" + text] {
            #expect(signer.read(broken) == nil, "\(broken)")
        }
    }

    @Test("one that another secret signed opens nothing, and a rotation keeps the old ones until they are let go of")
    func rotation() throws {
        let old = SigningKey(at: Self.time, random: Self.draw)
        let new = SigningKey(at: Self.time.advanced(by: .seconds(1)), random: Self.draw)
        let signer = TicketSigner([old])
        let text = try #require(try signer.sign(Self.ticket()))
        signer.replace(with: [new, old])
        #expect(signer.read(text) != nil)
        #expect(try #require(try signer.sign(Self.ticket())).hasPrefix(new.id.description))
        signer.replace(with: [new])
        #expect(signer.read(text) == nil)
        #expect(try TicketSigner().sign(Self.ticket()) == nil)
    }

    @Test("a ticket expires at its second and not before")
    func expiry() {
        let ticket = Self.ticket()
        #expect(!ticket.isExpired(at: Self.time.advanced(by: .milliseconds(59_999))))
        #expect(ticket.isExpired(at: Self.time.advanced(by: .seconds(60))))
    }

    @Test("a key opens what it was made for until it is revoked, and one like it opens nothing")
    func keys() throws {
        let key = APIKey(random: Self.draw)
        var record = KeyRecord(key, tenant: TenantName(unchecked: "acme"), rights: [.read], name: "", at: Self.time)
        let ring = KeyRing([record])
        #expect(!"\(record)".contains(key.text.suffix(64)))
        #expect(ring.caller(with: try #require(APIKey(key.text)))?.tenant == TenantName(unchecked: "acme"))
        let other = "ltk_\(key.id)_" + String(repeating: "0", count: 64)
        #expect(ring.caller(with: try #require(APIKey(other))) == nil)
        record.revokedAt = Self.time
        ring.replace(with: [record])
        #expect(ring.caller(with: key) == nil)
        #expect(!ring.holds(key.id))
    }

    @Test(
        "what cannot be a key is none",
        arguments: [
            "", "ltk", "ltk__", "ltk_0123456789ab_", "LTK_0123456789ab_" + String(repeating: "0", count: 64),
            "ltk_0123456789ab_" + String(repeating: "g", count: 64),
            "ltk_0123456789ab_" + String(repeating: "0", count: 65),
            "ltk_0123456789a_" + String(repeating: "0", count: 64),
        ])
    func noKeys(_ text: String) { #expect(APIKey(text) == nil) }
}
