import Testing

@testable import LongtakeHTTP

@Suite("request rates")
struct RequestRatesTests {
    @Test("a key has as many requests at once as a second gives, and then one after the other")
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
        // However long nobody asks, no more gather than a second gives.
        for _ in 0..<4 {
            next = bucket.take(at: .seconds(1_000))
            #expect(next == nil)
        }
        next = bucket.take(at: .seconds(1_000))
        #expect(next == 1)
    }

    @Test("keys are counted apart, tickets apart from their key, and what is gone is forgotten")
    func accounts() throws {
        let (one, two) = (try #require(KeyID("000000000001")), try #require(KeyID("000000000002")))
        let rates = RequestRates(perSecond: 1)
        #expect(rates.take(.key(one), at: .zero) == nil)
        #expect(rates.take(.key(one), at: .zero) == 1)
        #expect(rates.take(.tickets(one), at: .zero) == nil)
        #expect(rates.take(.key(two), at: .zero) == nil)
        rates.keep { $0 == two }
        #expect(rates.take(.key(one), at: .zero) == nil)
        #expect(rates.take(.key(two), at: .zero) == 1)
        #expect(RequestRates(perSecond: 0).take(.key(one), at: .zero) == nil)
    }
}
