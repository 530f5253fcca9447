import LongtakeCore
import Testing

@testable import LongtakeHTTP

@Suite("the budget for unread responses")
struct ResponseBudgetTests {
    private let budget = ResponseBudget(
        limit: 10_000_000, limitPerAccount: 6_000_000, limitWithoutAccount: 1_000_000)

    // Fails if a reservation is not released, and if all callers share one account.
    @Test("has a total limit and a limit per account, and regains released bytes")
    func bounds() throws {
        var first = try budget.reserve(4_000_000, for: "a", mayRefuse: true)
        #expect(first != nil)
        #expect(throws: Problem.self) { try budget.reserve(2_100_000, for: "a", mayRefuse: true) }
        let second = try budget.reserve(5_500_000, for: "b", mayRefuse: true)
        #expect(second != nil)
        #expect(throws: Problem.self) { try budget.reserve(600_000, for: "c", mayRefuse: true) }
        first = nil
        #expect(budget.bytes == 5_500_000)
        let third = try budget.reserve(4_000_000, for: "a", mayRefuse: true)
        #expect(third != nil && budget.bytes == 9_500_000)
        withExtendedLifetime((first, second, third)) {}
    }

    // Fails if `limitWithoutAccount` is ignored.
    @Test("has a separate limit for callers without an account, and ignores small responses")
    func withoutAccount() throws {
        let reservation = try budget.reserve(900_000, for: nil, mayRefuse: true)
        #expect(throws: Problem.self) { try budget.reserve(200_000, for: nil, mayRefuse: true) }
        #expect(try budget.reserve(16_384, for: nil, mayRefuse: true) == nil)
        #expect(budget.bytes == 900_000)
        withExtendedLifetime(reservation) {}
    }

    // Fails if the response to a submission may be refused.
    @Test("never refuses the response to a write, and counts it")
    func writes() throws {
        let all = try budget.reserve(6_000_000, for: "a", mayRefuse: true)
        var more = try budget.reserve(20_000, for: "a", mayRefuse: false)
        #expect(more != nil && budget.bytes == 6_020_000)
        more = nil
        #expect(budget.bytes == 6_000_000)
        withExtendedLifetime((all, more)) {}
    }
}

@Suite("dates in headers")
struct HTTPDateTests {
    @Test("formats dates as RFC 9110 requires")
    func dates() {
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 784_111_777_000)) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 0)) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.text(Timestamp(millisecondsSince1970: 1_709_164_800_000)) == "Thu, 29 Feb 2024 00:00:00 GMT")
    }
}
