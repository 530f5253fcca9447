import LongtakeCore
import Testing

@testable import LongtakeHTTP

@Suite("Range") struct ByteRangeTests {
    private static let tag = EntityTag(ContentHash(bytes: [UInt8](repeating: 7, count: 32)))

    @Test(
        "selects one range of 10 bytes",
        arguments: [
            ("bytes=0-0", .part(0..<1)), ("bytes=2-5", .part(2..<6)), ("bytes=0-9", .part(0..<10)),
            ("bytes=2-", .part(2..<10)), ("bytes=9-", .part(9..<10)), ("bytes=5-99", .part(5..<10)),
            ("bytes=-3", .part(7..<10)), ("bytes=-10", .part(0..<10)), ("bytes=-99", .part(0..<10)),
            ("BYTES=1-2", .part(1..<3)), (" bytes = 1-2 ", .part(1..<3)),
            ("bytes=1-99999999999999999999", .part(1..<10)), ("bytes=-99999999999999999999", .part(0..<10)),
            ("bytes=1-9223372036854775807", .part(1..<10)),
        ] as [(String, ByteRange)])
    func part(header: String, range: ByteRange) {
        #expect(ByteRange(header, tag: Self.tag, length: 10) == range)
    }

    @Test(
        "is the whole content for several ranges, other units and errors",
        arguments: [
            "bytes=0-1,3-4", "bytes=0-1,", "lines=0-1", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2-3",
            "bytes=5-2", "bytes=+1-2", "bytes=1-x", "bytes=1", "", "0-1", "bytes=0x1-2", "bytes==0-1",
        ])
    func whole(header: String) { #expect(ByteRange(header, tag: Self.tag, length: 10) == .whole) }

    @Test(
        "cannot be satisfied behind the end",
        arguments: [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=0-0", 0)]
            as [(String, Int64)])
    func unsatisfiable(header: String, length: Int64) {
        let range = ByteRange(header, tag: Self.tag, length: length)
        #expect(range == .unsatisfiable)
        #expect(range.contentRange(of: length) == "bytes */\(length)")
    }

    @Test("is the whole content for a suffix of an empty content, which no Content-Range describes")
    func empty() { #expect(ByteRange("bytes=-5", tag: Self.tag, length: 0) == .whole) }

    @Test(
        "has an effect only if If-Range is the strong tag of the content",
        arguments: [
            (nil, true), (tag.description, true), (" \(tag) ", true), ("W/\(tag)", false), ("\"x\"", false),
            ("*", false),
            ("", false), ("Fri, 20 Nov 2026 12:00:00 GMT", false), ("\(tag), \"x\"", false),
        ] as [(String?, Bool)])
    func condition(ifRange: String?, applies: Bool) {
        let range = ByteRange("bytes=1-2", ifRange: ifRange, tag: Self.tag, length: 10)
        #expect(range == (applies ? .part(1..<3) : .whole))
    }

    @Test("has no effect with If-Range if the content has no tag")
    func untagged() {
        #expect(ByteRange("bytes=1-2", ifRange: Self.tag.description, length: 10) == .whole)
        #expect(ByteRange("bytes=1-2", length: 10) == .part(1..<3))
        #expect(ByteRange(nil, length: 10) == .whole)
    }

    @Test("is written as Content-Range")
    func contentRange() {
        #expect(ByteRange.part(2..<6).contentRange(of: 10) == "bytes 2-5/10")
        #expect(ByteRange.whole.contentRange(of: 10) == nil)
    }
}
