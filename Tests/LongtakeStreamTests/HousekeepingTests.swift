import Testing

@testable import LongtakeStream

@Suite struct HousekeepingTests {
    @Test("memory is given back when a great coming and going is over, once")
    func storm() {
        var house = Housekeeping()
        func look(_ changes: Int, dropped: Int = 0) -> Bool {
            house.changes += changes
            return house.isMemoryDue(dropped: dropped)
        }
        let looks = [look(3), look(10_000), look(600), look(20), look(0), look(499)]
        #expect(looks == [false, false, false, true, false, false])
        let dropping = [
            look(0, dropped: 100), look(0, dropped: 50 << 20), look(0), look(9_000, dropped: 50 << 20), look(0),
        ]
        #expect(dropping == [false, true, false, false, true])
    }
}
