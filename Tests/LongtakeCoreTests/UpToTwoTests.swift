import LongtakeCore
import Testing

@Suite("a collection of at most two elements")
struct UpToTwoTests {
    private static let examples: [(UpToTwo<Int>, [Int])] = [
        (UpToTwo(), []), (UpToTwo(1), [1]), (UpToTwo(1, 2), [1, 2]),
    ]

    @Test("contains its elements in order", arguments: 0...2)
    func elements(count: Int) {
        let (values, expected) = Self.examples[count]
        #expect(Array(values) == expected && values.count == count && values.isEmpty == (count == 0))
        #expect(values.first == expected.first && values.last == expected.last)
        #expect(Array(values.reversed()) == expected.reversed())
    }

    @Test("mapped transforms each element", arguments: 0...2)
    func mapped(count: Int) {
        let (values, expected) = Self.examples[count]
        let texts = values.mapped { "\($0)" }
        #expect(Array(texts) == expected.map { "\($0)" })
    }

    @Test("append adds the first element, then the second")
    func append() {
        var values = UpToTwo<Int>()
        values.append(1)
        #expect(values == UpToTwo(1))
        values.append(2)
        #expect(values == UpToTwo(1, 2) && values != UpToTwo(2, 1))
    }
}
