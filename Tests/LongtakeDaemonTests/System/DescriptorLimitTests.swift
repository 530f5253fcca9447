import Testing

@testable import longtake

@Suite("the room that descriptors leave")
struct DescriptorLimitTests {
    // Seen to fail with connections that have a bound of their own beside it.
    @Test(
        "requests get in where all streams are taken, however many files may be open",
        arguments: [64, 1_024, 20_000, 65_536, 1_048_576])
    func room(limit: Int) {
        let room = DescriptorLimit.room(in: limit, open: 20)
        #expect(room.connections <= 32_768 && room.connections + 20 < max(limit, 25))
        #expect(room.streams < room.connections)
        if limit >= 1_024 { #expect(room.streams == room.connections - 64) }
    }
}
