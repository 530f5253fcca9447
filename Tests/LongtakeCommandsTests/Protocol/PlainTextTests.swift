import Testing

@testable import LongtakeCommands

@Suite("plain text")
struct PlainTextTests {
    @Test("replaces invalid UTF-8 and control characters, and keeps a tab")
    func line() {
        let bytes = Array("a\tü".utf8) + [0x00, 0x1b, 0xff, 0x7f] + Array("z\u{85}".utf8)
        #expect(
            String(decoding: PlainText.line(bytes), as: UTF8.self) == "a\tü\u{fffd}\u{fffd}\u{fffd}\u{fffd}z\u{fffd}")
    }

    @Test("keeps the last 2 KiB of an output, from the beginning of a character")
    func tail() {
        var tail = OutputTail(limit: 5)
        #expect(tail.text == nil)
        tail.add(Array("first line\n".utf8)[...])
        tail.add(Array("üü\nx".utf8)[...])
        #expect(tail.text == "ü\nx")
        tail.add(Array("a\rb".utf8)[...])
        #expect(tail.text == "\nxa\nb")
        var garbage = OutputTail()
        garbage.add([UInt8](repeating: 0xff, count: 100_000)[...])
        #expect((garbage.text?.utf8.count ?? 0) <= 2_048)
    }
}
