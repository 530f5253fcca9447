import LongtakeCore
import LongtakeTesting
import Testing

@Suite("Ids, cursors and times")
struct IdentityTests {
    private let ours = Epoch(rawValue: 0x7f3a_09c2)

    @Test(
        "a cursor is honoured exactly where the log has it",
        arguments: [
            (nil, .after(EventSequence(rawValue: 0))), ("", .after(EventSequence(rawValue: 0))),
            ("0", .after(EventSequence(rawValue: 0))), ("000", .after(EventSequence(rawValue: 0))),
            ("7", .after(EventSequence(rawValue: 7))), ("10", .after(EventSequence(rawValue: 10))),
            ("11", .refused(.ahead)),
            ("7f3a09c2-0", .after(EventSequence(rawValue: 0))), ("7f3a09c2-10", .after(EventSequence(rawValue: 10))),
            ("7f3a09c2-11", .refused(.ahead)), ("00000000-0", .refused(.epoch)), ("7f3a09c3-5", .refused(.epoch)),
            ("9223372036854775807", .refused(.ahead)), ("9223372036854775808", .refused(.malformed)),
            ("18446744073709551616", .refused(.malformed)), ("7f3a09c2-9223372036854775808", .refused(.malformed)),
            ("-1", .refused(.malformed)), ("+1", .refused(.malformed)), (" 7", .refused(.malformed)),
            ("7 ", .refused(.malformed)),
            ("7f3a09c2--1", .refused(.malformed)), ("7f3a09c2-", .refused(.malformed)), ("-", .refused(.malformed)),
            ("7F3A09C2-1", .refused(.malformed)), ("7f3a09c-1", .refused(.malformed)),
            ("7f3a09c2-g5", .refused(.malformed)),
            ("7f3a09c2-1-2", .refused(.malformed)), ("٣", .refused(.malformed)), ("1.5", .refused(.malformed)),
            ("null", .refused(.malformed)),
        ] as [(String?, CursorResolution)])
    func cursors(text: String?, resolution: CursorResolution) {
        #expect(Cursor(text).resolve(epoch: ours, head: EventSequence(rawValue: 10)) == resolution)
    }

    @Test("a malformed cursor is kept as it was sent")
    func malformedText() {
        #expect(Cursor("no way").text == "no way")
        #expect(Cursor("7f3a09c2-4").text == "7f3a09c2-4")
    }

    @Test("an epoch has one spelling: eight lower-case hexadecimal digits")
    func epochs() {
        #expect(Epoch(rawValue: 0).description == "00000000")
        #expect(Epoch(rawValue: .max).description == "ffffffff")
        #expect(Epoch("0000002a") == Epoch(rawValue: 42))
        for text in ["2a", "0000002A", "+000002a", "0000002a0", " 000002a", "0x00002a", "0000002g"] {
            #expect(Epoch(text) == nil)
        }
    }

    @Test("job ids keep the order of time, differ within one millisecond, and read back")
    func jobIDs() {
        var generator = Seeded(state: 42)
        var (all, earlier) = (Set<JobID>(), "")
        for time in 0..<1_000 {
            let id = JobID(at: Timestamp(millisecondsSince1970: Int64(time) << 30), using: &generator)
            #expect(id.description > earlier)
            #expect(JobID(id.description) == id)
            #expect(id.description.wholeMatch(of: /job_[0-9a-hjkmnp-tv-z]{26}/) != nil)
            earlier = id.description
        }
        for _ in 0..<10_000 { all.insert(JobID(at: Timestamp(millisecondsSince1970: 1), using: &generator)) }
        #expect(all.count == 10_000)
        for text in [
            "", "job_", "job_01KAF3V6M7K2X0R8Q5H1N9C4T2", "job_01kaf3v6m7k2x0r8q5h1n9c4tu",
            "jab_01kaf3v6m7k2x0r8q5h1n9c4t2",
        ] {
            #expect(JobID(text) == nil)
        }
    }

    @Test(
        "a time is written in RFC 3339 and reads back",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (2_147_483_648_000, "2038-01-19T03:14:08.000Z"), (1_709_208_000_118, "2024-02-29T12:00:00.118Z"),
            (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func times(milliseconds: Int64, text: String) {
        #expect(Timestamp(millisecondsSince1970: milliseconds).description == text)
        #expect(Timestamp(rfc3339: text) == Timestamp(millisecondsSince1970: milliseconds))
    }

    @Test("random times read back, and what is no date does not")
    func randomTimes() {
        var generator = Seeded(state: 7)
        for _ in 0..<10_000 {
            let time = Timestamp(
                millisecondsSince1970: .random(in: -62_167_219_200_000...253_402_300_799_999, using: &generator))
            #expect(Timestamp(rfc3339: time.description) == time)
        }
        for text in [
            "", "2025-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "2026-1-01T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:00:00Z", "9223372036854775807-01-01T00:00:00.000Z",
            "2026-01-01T00:00:9223372036854775807.000Z",
        ] {
            #expect(Timestamp(rfc3339: text) == nil)
        }
    }

    @Test("progress is cut to 0 to 1 and rounded down to four decimals, but never below what was meant")
    func progress() {
        #expect([-1, .nan, -.infinity, 0].map { Progress($0).value } == [0, 0, 0, 0])
        #expect([1, 2, .infinity, 0.99999].map { Progress($0).value } == [1, 1, 1, 0.9999])
        for part in 0...10_000 { #expect(Progress(Double(part) / 10_000).value == Double(part) / 10_000) }
    }
}
