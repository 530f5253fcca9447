import LongtakeCore
import Testing

@Suite("Cursors of the feed")
struct FeedCursorTests {
    private let ours = Epoch(rawValue: 0x7f3a_09c2)

    /// The head is 10, and pruning has removed up to 3.
    @Test(
        "a cursor is honoured exactly where the feed is whole behind it",
        arguments: [
            (nil, .after(EventPosition(rawValue: 10))), ("", .after(EventPosition(rawValue: 10))),
            ("0", .after(.beforeFirst)), ("00", .after(.beforeFirst)),
            ("1", .refused(.pruned)), ("2", .refused(.pruned)), ("3", .after(EventPosition(rawValue: 3))),
            ("10", .after(EventPosition(rawValue: 10))), ("11", .refused(.ahead)),
            ("7f3a09c2-g0", .after(.beforeFirst)), ("7f3a09c2-g2", .refused(.pruned)),
            ("7f3a09c2-g3", .after(EventPosition(rawValue: 3))),
            ("7f3a09c2-g10", .after(EventPosition(rawValue: 10))), ("7f3a09c2-g11", .refused(.ahead)),
            ("00000000-g5", .refused(.epoch)), ("00000000-g99", .refused(.epoch)),
            ("7f3a09c2-5", .refused(.malformed)), ("7f3a09c2-g", .refused(.malformed)),
            ("7f3a09c2-g-1", .refused(.malformed)), ("7f3a09c2-gg5", .refused(.malformed)),
            ("7f3a09c2-G5", .refused(.malformed)), ("7F3A09C2-g5", .refused(.malformed)),
            ("g5", .refused(.malformed)), ("-g5", .refused(.malformed)), ("-1", .refused(.malformed)),
            ("9223372036854775808", .refused(.malformed)), ("7f3a09c2-g9223372036854775808", .refused(.malformed)),
            (" 5", .refused(.malformed)), ("now", .refused(.malformed)),
        ] as [(String?, FeedResolution)])
    func cursors(text: String?, resolution: FeedResolution) {
        let resolved = FeedCursor(text).resolve(
            epoch: ours, head: EventPosition(rawValue: 10), prunedThrough: EventPosition(rawValue: 3))
        #expect(resolved == resolution)
    }

    @Test("a cursor is repeated as it was sent, and an id reads back")
    func text() {
        let id = FeedID(epoch: ours, position: EventPosition(rawValue: 1_234))
        #expect(id.description == "7f3a09c2-g1234")
        #expect(FeedCursor(id.description) == .id(id))
        for text in ["", "0", "17", "7f3a09c2-g4", "no way", "7f3a09c2-4"] { #expect(FeedCursor(text).text == text) }
        #expect(
            Cursor(id.description) == .malformed(id.description), "the two kinds of id are never taken for each other")
    }

    @Test("a filter selects by each of its sets, and by nothing where a set is empty")
    func filters() throws {
        let job = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t2"))
        let other = try #require(JobID("job_01kaf3v6m7k2x0r8q5h1n9c4t3"))
        let clip = PipelineName(unchecked: "clip")
        #expect(FeedFilter().isEmpty && FeedFilter().accepts(job: job, pipeline: clip, type: .jobQueued))
        let filter = FeedFilter(jobs: [job], pipelines: [clip], types: [.jobQueued])
        #expect(filter.accepts(job: job, pipeline: clip, type: .jobQueued))
        #expect(!filter.accepts(job: other, pipeline: clip, type: .jobQueued))
        #expect(!filter.accepts(job: job, pipeline: PipelineName(unchecked: "other"), type: .jobQueued))
        #expect(!filter.accepts(job: job, pipeline: clip, type: .jobCanceled))
    }
}
