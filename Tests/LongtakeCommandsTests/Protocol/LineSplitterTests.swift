import Testing

@testable import LongtakeCommands

@Suite("line splitter")
struct LineSplitterTests {
    private func lines(_ chunks: [String], returns: Bool = false, limit: Int = 8) -> [String] {
        var splitter = LineSplitter(endsAtCarriageReturn: returns, limit: limit)
        var lines: [String] = []
        for chunk in chunks {
            var rest = Array(chunk.utf8)[...]
            while let line = splitter.next(from: &rest) { lines.append(text(line)) }
        }
        if let line = splitter.finish() { lines.append(text(line)) }
        return lines
    }

    private func text(_ line: LineSplitter.Line) -> String {
        String(decoding: line.bytes, as: UTF8.self) + (line.isCut ? "…" : "")
    }

    @Test("joins the parts of a line from several reads, and returns a last line without an end")
    func parts() {
        #expect(lines(["a", "b\nc", "", "\n\nd"]) == ["ab", "c", "", "d"])
    }

    @Test("ends a line at a carriage return if asked to, and counts CR LF as one end, also over two reads")
    func returns() {
        #expect(lines(["1%\r2%\r\n3%\r", "\n4%\n\r5"], returns: true) == ["1%", "2%", "3%", "4%", "", "5"])
        #expect(lines(["a\rb\n"]) == ["a\rb"])
    }

    @Test("cuts a line that is longer than the limit, once, and drops its rest")
    func cut() {
        #expect(lines(["12345678\n123456789\nx\n"]) == ["12345678", "12345678…", "x"])
        #expect(lines(["123456789", "abc", "def\nx"]) == ["12345678…", "x"])
        #expect(lines(["12345678", "\n"]) == ["12345678"])
    }

    @Test("holds the limit and one byte at most, however long a line is")
    func memory() {
        var splitter = LineSplitter(endsAtCarriageReturn: true)
        let chunk = [UInt8](repeating: 0x61, count: 65_536)
        var found = 0
        for _ in 0..<1_600 {
            var rest = chunk[...]
            while splitter.next(from: &rest) != nil { found += 1 }
        }
        #expect(found == 1)
        #expect(splitter.mostBytesHeld <= LineSplitter.maximumLineBytes + 1)
    }
}
