import LongtakeCore
import Testing

@testable import LongtakeCommands

@Suite("progress reader")
struct ProgressReaderTests {
    private func read(_ progress: OutputProgress, _ lines: [String]) -> [String] {
        var reader = ProgressReader(progress)
        return lines.compactMap { line in
            reader.beginChunk()
            return reader.read(Array(line.utf8)[...]).finding.map { "\($0.progress.value) \($0.message)" }
        }
    }

    @Test(
        "finds the last percentage of a line that is at most 100",
        arguments: [
            ("42%", 42.0), ("42 %", 42), (" 42.5% |####| 5/12", 42.5), ("10% of 20 %", 20), ("100%", 100), ("0%", 0),
            ("7% and 120%", 7), ("a%", nil), ("%", nil), ("", nil), ("-5%", nil), ("42  %", nil), ("1e2%", 2),
            (".5%", nil), ("101%", nil), ("1.2.3%", nil),
        ])
    func percent(line: String, value: Double?) {
        #expect(PercentProgress.last(in: Array(line.utf8)[...]) == value)
    }

    @Test("ignores progress that falls or repeats")
    func falling() {
        #expect(
            read(.percent, ["10%", "5%", "10%", "x", "12.5%", "200%", "100%"])
                == ["0.1 10 %", "0.125 12.5 %", "1.0 100 %"])
    }

    @Test("reads the blocks of ffmpeg against the length of the video")
    func ffmpeg() {
        // Recorded from ffmpeg -progress pipe:1, shortened.
        let lines = """
            frame=101
            fps=50.10
            stream_0_0_q=28.0
            bitrate=N/A
            total_size=48
            out_time_us=N/A
            out_time=N/A
            progress=continue
            frame=101
            out_time_us=4200000
            out_time_ms=4200000
            out_time=00:00:04.200000
            speed=1.01x
            progress=continue
            out_time_us=-21333
            progress=continue
            out_time=00:00:06.000000
            progress=continue
            out_time_us=9000000
            progress=continue
            progress=end
            """.split(separator: "\n").map(String.init)
        #expect(
            read(.ffmpeg(lengthSeconds: 8), lines)
                == ["0.525 00:04.2 of 00:08.0", "0.75 00:06.0 of 00:08.0", "1.0 00:08.0 of 00:08.0"])
        #expect(
            read(.ffmpeg(lengthSeconds: 90), ["out_time=00:01:05.99", "progress=continue", "progress=end"])
                == ["0.7332 01:05.9 of 01:30.0", "1.0 01:30.0 of 01:30.0"])
    }

    @Test("keeps the lines of ffmpeg's blocks out of the log, and no others")
    func hidden() {
        var reader = ProgressReader(.ffmpeg(lengthSeconds: 8))
        let hidden = ["frame=1", "stream_0_0_q=1", "progress=end", "Stream #0: a=b", "error", "x=y"].map {
            reader.read(Array($0.utf8)[...]).isHidden
        }
        #expect(hidden == [true, true, true, false, false, false])
    }

    @Test("matches a pattern with the groups done and of, or with percent")
    func pattern() {
        #expect(
            read(
                .pattern(#"step (?<done>\d+)/(?<of>\d+)"#),
                ["step 3/20", "step 2/20", "x", "step 21/20", "step 4/0", "step 20/20"])
                == ["0.15 3 of 20", "1.0 20 of 20"])
        #expect(
            read(.pattern(#"at (?<percent>[\d.]+)"#), ["at 12.5", "at 101", "at ..", "at 99"]) == [
                "0.125 12.5 %", "0.99 99 %",
            ])
    }

    @Test(
        "finds nothing with a pattern that is invalid or has no such groups",
        arguments: ["(", "(?<done>a)", "a", "(?<of>a)"])
    func invalidPattern(text: String) {
        #expect(read(.pattern(text), ["a", "1/2"]).isEmpty)
    }

    @Test("matches only the first 4 KiB of a line, and a limited number of lines of one chunk")
    func patternLimits() {
        let text = #"(?<percent>\d+)%"#
        #expect(read(.pattern(text), [String(repeating: "a", count: 4_096) + "5%"]).isEmpty)
        #expect(read(.pattern(text), [String(repeating: "a", count: 4_094) + "5%"]) == ["0.05 5 %"])
        var reader = ProgressReader(.pattern(text))
        reader.beginChunk()
        let found = (1...100).filter { reader.read(Array("\($0)%".utf8)[...]).finding != nil }
        #expect(found.count == ProgressReader.matchesPerChunk)
    }
}
