import Testing

@testable import LongtakeCommands

@Suite("read pace")
struct ReadPaceTests {
    @Test("lets a program that writes without end have the configured bytes per second")
    func rate() {
        var pace = ReadPace(bytesPerSecond: 4 << 20)
        var (time, bytes) = (Duration.zero, 0)
        while time < .seconds(10) {
            bytes += 65_536
            time += pace.delay(after: 65_536, at: time)
        }
        #expect(bytes >= 40 << 20 && bytes <= 41 << 20)
    }

    @Test("does not delay a program that writes little, and gives no credit for silence")
    func quiet() {
        var pace = ReadPace(bytesPerSecond: 1_000_000)
        #expect((1...100).allSatisfy { pace.delay(after: 100, at: .milliseconds($0 * 10)) == .zero })
        #expect(pace.delay(after: 1_000_000, at: .seconds(1_000)) == .seconds(1))
    }
}
