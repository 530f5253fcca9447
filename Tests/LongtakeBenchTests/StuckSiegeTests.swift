import Testing

@testable import longtake_bench

/// A reader that nobody served must not pass for one that was cut off.
@Suite struct StuckSiegeTests {
    private static let held = SocketTable.Entry(unsentBytes: 2_000, isOwned: true)
    private static let empty = SocketTable.Entry(unsentBytes: 0, isOwned: true)
    private static let notOwned = SocketTable.Entry(unsentBytes: 0, isOwned: false)

    private func siege(_ looks: [SocketTable.Entry?]) -> StuckSiege {
        var siege = StuckSiege(["reader"], memory: MemoryReading(ProcessMeter(processes: [])))
        for (number, end) in looks.enumerated() {
            siege.look(
                end.map { ["reader": $0] } ?? [:], MemoryReading(ProcessMeter(processes: [])), after: Double(number))
        }
        return siege
    }

    @Test("one that was accepted late, was stuck and was closed is cut off at that time")
    func cutOff() {
        let siege = siege([Self.notOwned, Self.empty, Self.held, Self.held, nil])
        #expect(siege.isOver)
        #expect(siege.cutOffSeconds == 4)
        #expect(siege.faults == [])
    }

    @Test("one that was closed and never stuck is found", arguments: [[empty, nil], [nil], [notOwned, notOwned]])
    func neverStuck(looks: [SocketTable.Entry?]) {
        let siege = siege(looks)
        #expect(siege.cutOffSeconds == nil)
        #expect(siege.faults == ["1 readers were never stuck"])
    }

    @Test("one that lasts is found")
    func lasting() {
        let siege = siege([Self.held, Self.empty])
        #expect(!siege.isOver)
        #expect(siege.faults == ["1 stuck readers were not cut off"])
    }
}
