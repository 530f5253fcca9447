import LongtakeCore
import LongtakeTesting
import Testing

@testable import LongtakeHTTP

@Suite("tickets and keys")
struct AccessControlTests {
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

    @Test("accepts a signed ticket and refuses every modified one")
    func tampering() throws {
        let signer = TicketSigner([SigningKey(at: Self.time, random: Self.draw)])
        let ticket = Self.ticket()
        let text = try #require(try signer.sign(ticket))
        #expect(signer.verify(text)?.ticket == ticket)
        #expect(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x26 && $0 != 0x3d && $0 != 0x2b && $0 != 0x2f })
        // Changes every byte in turn.
        for index in text.utf8.indices {
            var bytes = Array(text.utf8)
            let offset = text.utf8.distance(from: text.utf8.startIndex, to: index)
            bytes[offset] = bytes[offset] == 0x41 ? 0x42 : 0x41
            let changed = String(decoding: bytes, as: UTF8.self)
            // The last base64 digit may have unused bits. Then the changed text is the same ticket.
            #expect(changed == text || signer.verify(changed) == nil || signer.verify(changed)?.ticket == ticket)
        }
        for broken in ["", ".", "..", "a.b.c", String(text.dropLast(3)), text + ".", text + "=", "x" + text] {
            #expect(signer.verify(broken) == nil, "\(broken)")
        }
    }

    @Test("refuses tickets of unknown keys, and accepts tickets of an old key until the key is removed")
    func rotation() throws {
        let old = SigningKey(at: Self.time, random: Self.draw)
        let new = SigningKey(at: Self.time.advanced(by: .seconds(1)), random: Self.draw)
        let signer = TicketSigner([old])
        let text = try #require(try signer.sign(Self.ticket()))
        signer.replace(with: [new, old])
        #expect(signer.verify(text) != nil)
        #expect(try #require(try signer.sign(Self.ticket())).hasPrefix(new.id.description))
        signer.replace(with: [new])
        #expect(signer.verify(text) == nil)
        #expect(try TicketSigner().sign(Self.ticket()) == nil)
    }

    @Test("a ticket expires at its time and not earlier")
    func expiry() {
        let ticket = Self.ticket()
        #expect(!ticket.isExpired(at: Self.time.advanced(by: .milliseconds(59_999))))
        #expect(ticket.isExpired(at: Self.time.advanced(by: .seconds(60))))
    }

    @Test("accepts a key until it is revoked, and refuses a key with the same id and another secret")
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
        #expect(!ring.contains(key.id))
    }

    @Test(
        "refuses text that does not have the form of a key",
        arguments: [
            "", "ltk", "ltk__", "ltk_0123456789ab_", "LTK_0123456789ab_" + String(repeating: "0", count: 64),
            "ltk_0123456789ab_" + String(repeating: "g", count: 64),
            "ltk_0123456789ab_" + String(repeating: "0", count: 65),
            "ltk_0123456789a_" + String(repeating: "0", count: 64),
        ])
    func noKeys(_ text: String) { #expect(APIKey(text) == nil) }
}

@Suite("rate limits")
struct RateLimiterTests {
    @Test("allows a burst of one second's requests, and then a steady rate")
    func bucket() {
        var bucket = TokenBucket(perSecond: 4, at: .zero)
        var next: Int?
        for _ in 0..<4 {
            next = bucket.take(at: .zero)
            #expect(next == nil)
        }
        next = bucket.take(at: .zero)
        #expect(next == 1)
        next = bucket.take(at: .milliseconds(249))
        #expect(next == 1)
        next = bucket.take(at: .milliseconds(250))
        #expect(next == nil)
        next = bucket.take(at: .milliseconds(250))
        #expect(next == 1)
        // However long the pause, the bucket holds the tokens of one second only.
        for _ in 0..<4 {
            next = bucket.take(at: .seconds(1_000))
            #expect(next == nil)
        }
        next = bucket.take(at: .seconds(1_000))
        #expect(next == 1)
    }

    @Test("counts each key and the tickets of each key separately, and forgets removed keys")
    func accounts() throws {
        let (one, two) = (try #require(KeyID("000000000001")), try #require(KeyID("000000000002")))
        let limiter = RateLimiter(perSecond: 1)
        #expect(limiter.take(.key(one), at: .zero) == nil)
        #expect(limiter.take(.key(one), at: .zero) == 1)
        #expect(limiter.take(.tickets(one), at: .zero) == nil)
        #expect(limiter.take(.key(two), at: .zero) == nil)
        limiter.retain { $0 == two }
        #expect(limiter.take(.key(one), at: .zero) == nil)
        #expect(limiter.take(.key(two), at: .zero) == 1)
        #expect(RateLimiter(perSecond: 0).take(.key(one), at: .zero) == nil)
    }
}
