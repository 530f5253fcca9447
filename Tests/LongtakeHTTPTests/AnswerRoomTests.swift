import Testing

@testable import LongtakeHTTP

@Suite("the room for answers that nobody takes")
struct AnswerRoomTests {
    // Seen to fail with a part that gives nothing back, and with one account for all.
    @Test("is bounded in all and for each account, and free again when an answer is let go")
    func bounds() {
        let room = AnswerRoom(most: 100, mostOfAccount: 60)
        var first = room.take(40, for: "a")
        #expect(first != nil)
        #expect(room.take(21, for: "a") == nil, "no more than its own part")
        let second = room.take(60, for: "b")
        #expect(second != nil)
        #expect(room.take(1, for: nil) == nil, "all is taken")
        first = nil
        #expect(room.bytes == 60)
        let third = room.take(40, for: "a")
        #expect(third != nil && room.bytes == 100)
        withExtendedLifetime((first, second, third)) {}
    }
}
