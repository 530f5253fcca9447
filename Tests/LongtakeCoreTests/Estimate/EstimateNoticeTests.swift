import Testing

@testable import LongtakeCore

@Suite("when a stream shows an estimate")
struct EstimateNoticeTests {
    private func estimate(_ p50: Double, p90: Double? = nil, wait: Double = 0) -> JobEstimate {
        JobEstimate(eta: .init(p50: p50, p90: p90 ?? p50 * 2), queueWait: .init(p50: wait, p90: wait))
    }

    private func at(_ seconds: Double) -> Timestamp { Timestamp(millisecondsSince1970: Int64(seconds * 1000)) }

    @Test("shows the first estimate at once, and nothing while there is none")
    func first() {
        var notice = EstimateNotice()
        #expect(notice.nextAt == nil)
        #expect(notice.decide(nil, at: at(0)) == .keep)
        #expect(notice.decide(estimate(100), at: at(0)) == .show(estimate(100)))
        #expect(notice.nextAt == at(5))
    }

    @Test("shows nothing within 5 s, however much the estimate moved")
    func pace() {
        var notice = EstimateNotice()
        #expect(notice.decide(estimate(100), at: at(0)) == .show(estimate(100)))
        #expect(notice.decide(estimate(10), at: at(4.999)) == .keep)
        #expect(notice.decide(nil, at: at(4.999)) == .keep)
        #expect(notice.decide(estimate(10), at: at(5)) == .show(estimate(10)))
        #expect(notice.decide(estimate(100), at: at(9.999)) == .keep)
    }

    @Test("shows an estimate only if its p50 or its p90 moved by more than 10 % since the last one shown")
    func change() {
        var notice = EstimateNotice()
        _ = notice.decide(estimate(100, p90: 200), at: at(0))
        #expect(notice.decide(estimate(90, p90: 180), at: at(10)) == .keep, "exactly 10 %")
        #expect(notice.decide(estimate(110, p90: 220, wait: 50), at: at(10)) == .keep)
        #expect(notice.decide(estimate(100, p90: 221), at: at(10)) == .show(estimate(100, p90: 221)))
        #expect(notice.decide(estimate(89, p90: 221), at: at(20)) == .show(estimate(89, p90: 221)))
    }

    @Test("small moves add up, because it compares with the last estimate that it showed")
    func drift() {
        var notice = EstimateNotice()
        _ = notice.decide(estimate(100), at: at(0))
        #expect(notice.decide(estimate(94), at: at(6)) == .keep)
        #expect(notice.decide(estimate(89), at: at(12)) == .show(estimate(89)))
    }

    @Test("says once that there is no estimate any more, and shows the next one")
    func vanishes() {
        var notice = EstimateNotice()
        _ = notice.decide(estimate(100), at: at(0))
        #expect(notice.decide(nil, at: at(6)) == .show(nil))
        #expect(notice.decide(nil, at: at(12)) == .keep)
        #expect(notice.decide(estimate(100), at: at(18)) == .show(estimate(100)))
    }

    @Test("a job that is about to end shows 0 once")
    func zero() {
        var notice = EstimateNotice()
        _ = notice.decide(estimate(1), at: at(0))
        #expect(notice.decide(estimate(0), at: at(6)) == .show(estimate(0)))
        #expect(notice.decide(estimate(0), at: at(12)) == .keep)
    }
}
