import LongtakeCore
import Testing

@testable import LongtakeEngine

@Suite("report pacer")
struct ReportPacerTests {
    private func sent(_ reports: some Sequence<(Double, Duration)>, _ pacer: ReportPacer) -> [(Double, Duration)] {
        var pacer = pacer
        return reports.filter { report in
            guard pacer.shouldSend(Progress(report.0), at: report.1) else { return false }
            pacer.didSend()
            return true
        }
    }

    @Test("sends reports at least one interval apart, except the one that completes the stage")
    func interval() {
        let reports: [(Double, Duration)] = [
            (0.1, .zero), (0.2, .milliseconds(249)), (0.3, .milliseconds(250)), (0.9, .milliseconds(499)),
            (1, .milliseconds(499)),
        ]
        #expect(sent(reports, ReportPacer(interval: .milliseconds(250))).map(\.0) == [0.1, 0.3, 1])
    }

    @Test("never exceeds the limit of reports, and always sends the one that completes the stage")
    func limit() {
        let reports = (1...5_000).map { (Double($0) / 5_000, Duration.milliseconds($0)) }
        let all = sent(reports, ReportPacer(interval: .zero, limit: 100))
        #expect(all.count <= 100)
        #expect(all.last?.0 == 1)
    }

    @Test("spreads the reports of a long stage over its whole time")
    func longStage() {
        let reports = (1...14_400).map { (Double($0) / 14_400, Duration.milliseconds($0 * 500)) }
        let all = sent(reports, ReportPacer(interval: .milliseconds(250)))
        #expect(all.count <= EngineLimits.reportsPerAttempt)
        #expect(all.count > EngineLimits.reportsPerAttempt / 2)
        for (earlier, later) in zip(all, all.dropFirst()) { #expect(later.1 - earlier.1 < .seconds(30)) }
    }

    @Test("sends one report at a time, so that none overtakes another")
    func oneAtATime() {
        var pacer = ReportPacer(interval: .zero)
        let first = pacer.shouldSend(Progress(0.1), at: .zero)
        let meanwhile = pacer.shouldSend(Progress(0.2), at: .seconds(9))
        pacer.didSend()
        let after = pacer.shouldSend(Progress(0.2), at: .seconds(9))
        #expect([first, meanwhile, after] == [true, false, true])
    }

    @Test("truncates a text to a number of bytes without splitting a character")
    func truncation() {
        #expect("abc".truncated(toBytes: 3) == "abc")
        #expect("abcd".truncated(toBytes: 3) == "abc")
        #expect("aéé".truncated(toBytes: 4) == "aé")
        #expect("👩‍👩‍👧x".truncated(toBytes: 10) == "")
    }
}
