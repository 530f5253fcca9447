import Testing

@testable import LongtakeHTTP

@Suite("the room for answers that nobody takes")
struct AnswerRoomTests {
    private let room = AnswerRoom(most: 10_000_000, mostOfAccount: 6_000_000, mostOfNobody: 1_000_000)

    // Seen to fail with a part that gives nothing back, and with one account for all.
    @Test("is bounded in all and for each account, and free again when an answer is let go")
    func bounds() throws {
        var first = try room.take(4_000_000, for: "a", mayRefuse: true)
        #expect(first != nil)
        #expect(throws: Problem.self) { try room.take(2_100_000, for: "a", mayRefuse: true) }
        let second = try room.take(5_500_000, for: "b", mayRefuse: true)
        #expect(second != nil)
        #expect(throws: Problem.self) { try room.take(600_000, for: "c", mayRefuse: true) }
        first = nil
        #expect(room.bytes == 5_500_000)
        let third = try room.take(4_000_000, for: "a", mayRefuse: true)
        #expect(third != nil && room.bytes == 9_500_000)
        withExtendedLifetime((first, second, third)) {}
    }

    // Seen to fail with `mostOfNobody` not looked at.
    @Test("leaves those who have no account a part of their own, and small answers are not counted")
    func nobody() throws {
        let part = try room.take(900_000, for: nil, mayRefuse: true)
        #expect(throws: Problem.self) { try room.take(200_000, for: nil, mayRefuse: true) }
        #expect(try room.take(16_384, for: nil, mayRefuse: true) == nil)
        #expect(room.bytes == 900_000)
        withExtendedLifetime(part) {}
    }

    // Seen to fail with a submission that may be refused.
    @Test("tells whoever has changed something how that ended, room or not, and counts it")
    func changes() throws {
        let all = try room.take(6_000_000, for: "a", mayRefuse: true)
        var more = try room.take(20_000, for: "a", mayRefuse: false)
        #expect(more != nil && room.bytes == 6_020_000)
        more = nil
        #expect(room.bytes == 6_000_000)
        withExtendedLifetime((all, more)) {}
    }
}
