import Testing

@testable import LongtakeCore

@Suite("the newest ratios")
struct RecentRatiosTests {
    private func ratios(_ values: [Double], limit: Int = 200) -> RecentRatios {
        var ratios = RecentRatios(limit: limit)
        for value in values { ratios.add(value) }
        return ratios
    }

    @Test("keeps the newest ratios up to its limit, in their order")
    func limit() {
        #expect(ratios([1, 2, 3, 4], limit: 3).values == [2, 3, 4])
    }

    @Test("ignores what is no ratio")
    func invalid() {
        #expect(ratios([0, -1, .nan, .infinity, 1]).values == [1])
    }

    @Test("the 90th percentile counts the next ratio too: of nine it is the largest, of 200 the 181st")
    func percentile() {
        #expect(ratios([]).percentile(0.9) == nil)
        #expect(ratios([3]).percentile(0.9) == 3)
        #expect(ratios((1...9).map(Double.init).reversed()).percentile(0.9) == 9)
        #expect(ratios((1...10).map(Double.init)).percentile(0.9) == 10)
        #expect(ratios((1...200).map(Double.init)).percentile(0.9) == 181)
    }

    @Test("its row has 4 bytes for each ratio and reads back as the same value")
    func row() {
        let full = ratios((1...300).map { 1 / Double($0) })
        #expect(full.bytes.count == 800)
        #expect(RecentRatios(limit: 200, bytes: full.bytes) == full)
        #expect(ratios([1]).bytes == [0, 0, 0x80, 0x3f])
        #expect(RecentRatios(limit: 200, bytes: [])?.values == [])
    }

    @Test("refuses a row that is no row")
    func damagedRow() {
        #expect(RecentRatios(limit: 200, bytes: [0, 0, 0x80]) == nil)
        #expect(RecentRatios(limit: 1, bytes: ratios([1, 2]).bytes) == nil)
        #expect(RecentRatios(limit: 1, bytes: [0, 0, 0xc0, 0x7f]) == nil, "not a number")
        #expect(RecentRatios(limit: 1, bytes: [0, 0, 0x80, 0xbf]) == nil, "below 0")
    }
}
