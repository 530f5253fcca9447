import Testing

@testable import longtake_bench

/// A reader that the server never served must not count as one that it has disconnected.
@Suite struct StuckReaderObservationTests {
    private static let full = SocketTable.Entry(unsentBytes: 2_000, isOpen: true)
    private static let empty = SocketTable.Entry(unsentBytes: 0, isOpen: true)
    private static let notAccepted = SocketTable.Entry(unsentBytes: 0, isOpen: false)

    private func observation(_ samples: [SocketTable.Entry?]) -> StuckReaderObservation {
        let memory = MemoryReading(ProcessMeter(processes: []))
        var observation = StuckReaderObservation(["reader"], memory: memory)
        for (number, socket) in samples.enumerated() {
            observation.record(socket.map { ["reader": $0] } ?? [:], memory, after: Double(number))
        }
        return observation
    }

    @Test("a reader that is accepted late, gets stuck and is closed counts as disconnected at that time")
    func disconnected() {
        let observation = observation([Self.notAccepted, Self.empty, Self.full, Self.full, nil])
        #expect(observation.isOver)
        #expect(observation.disconnectSeconds == 4)
        #expect(observation.faults == [])
    }

    @Test(
        "reports a reader that is closed and was never stuck",
        arguments: [[empty, nil], [nil], [notAccepted, notAccepted]])
    func neverStuck(samples: [SocketTable.Entry?]) {
        let observation = observation(samples)
        #expect(observation.disconnectSeconds == nil)
        #expect(observation.faults == ["1 readers were never stuck"])
    }

    @Test("reports a reader that stays connected")
    func connected() {
        let observation = observation([Self.full, Self.empty])
        #expect(!observation.isOver)
        #expect(observation.faults == ["1 stuck readers were not disconnected"])
    }
}
