import LongtakeCore

/// Finds the progress in the output of a program that does not speak the stage protocol.
///
/// Progress that falls, or that is above 100 %, is ignored.
struct ProgressReader {
    /// A progress and its text for people.
    struct Finding: Hashable, Sendable {
        var progress: Progress
        var message: String
    }

    private enum Format {
        case none
        case percent
        case ffmpeg(FFmpegProgress)
        case pattern(PatternProgress)
    }

    /// Lines of one chunk of output that a pattern is matched against, because matching is slow.
    static let matchesPerChunk = 64

    private var format: Format
    private var last: Progress?
    private var matchesLeft = Self.matchesPerChunk

    /// - Parameter progress: `nil` finds nothing. An invalid pattern finds nothing either, because
    ///   the check of the configuration refuses it.
    init(_ progress: OutputProgress?) {
        switch progress {
        case nil: format = .none
        case .percent: format = .percent
        case .ffmpeg(let seconds): format = .ffmpeg(FFmpegProgress(lengthSeconds: seconds))
        case .pattern(let text): format = PatternProgress(text).map(Format.pattern) ?? .none
        }
    }

    /// More output was read.
    mutating func beginChunk() { matchesLeft = Self.matchesPerChunk }

    /// Reads a line.
    /// - Returns: the finding, and whether the line is meant for programs only. Such a line does
    ///   not belong to the log.
    mutating func read(_ line: ArraySlice<UInt8>) -> (finding: Finding?, isHidden: Bool) {
        var (finding, isHidden) = (Finding?.none, false)
        switch format {
        case .none: break
        case .percent:
            finding = PercentProgress.last(in: line).map {
                Finding(progress: Progress($0 / 100), message: "\(Self.plain($0)) %")
            }
        case .ffmpeg(var state):
            (finding, isHidden) = state.read(line)
            format = .ffmpeg(state)
        case .pattern(let pattern):
            guard matchesLeft > 0 else { break }
            matchesLeft -= 1
            finding = pattern.read(line)
        }
        guard let new = finding, new.progress >= last ?? .none, new.progress != last else { return (nil, isHidden) }
        last = new.progress
        return (new, isHidden)
    }

    private static func plain(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? String(value) }
}

/// Finds percentages, such as `42 %` and `42.5%`.
enum PercentProgress {
    /// The last percentage of a line that is at most 100.
    static func last(in line: ArraySlice<UInt8>) -> Double? {
        var rest = line
        while let sign = rest.lastIndex(of: UInt8(ascii: "%")) {
            var number = rest[..<sign]
            if number.last == UInt8(ascii: " ") { number.removeLast() }
            let digits = number.suffix(while: { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }, limit: 16)
            let before = line[..<digits.startIndex].last
            let isNegative = before == UInt8(ascii: "-")
            if !isNegative, digits.first != UInt8(ascii: "."),
                let value = Double(String(decoding: digits, as: UTF8.self)),
                value <= 100
            {
                return value
            }
            rest = rest[..<sign]
        }
        return nil
    }
}

extension ArraySlice<UInt8> {
    /// The longest suffix of at most `limit` bytes that all match.
    fileprivate func suffix(while matches: (UInt8) -> Bool, limit: Int) -> ArraySlice<UInt8> {
        var start = endIndex
        while start > startIndex, endIndex - start < limit, matches(self[start - 1]) { start -= 1 }
        return self[start...]
    }
}

/// Reads the blocks of ffmpeg's option `-progress`: lines `name=value`, of which `progress=` ends a
/// block.
struct FFmpegProgress: Sendable {
    private let lengthSeconds: Double
    private var seconds: Double?

    init(lengthSeconds: Double) { self.lengthSeconds = lengthSeconds }

    /// - Returns: the finding at the end of a block, and whether the line belongs to a block.
    mutating func read(_ line: ArraySlice<UInt8>) -> (finding: ProgressReader.Finding?, isHidden: Bool) {
        guard let equals = line.prefix(64).firstIndex(of: UInt8(ascii: "=")) else { return (nil, false) }
        let name = String(decoding: line[..<equals], as: UTF8.self)
        guard Self.names.contains(name) || name.hasPrefix("stream_") else { return (nil, false) }
        let value =
            String(decoding: line[(equals + 1)...].prefix(64), as: UTF8.self)
            .split(separator: " ", maxSplits: 1).first.map(String.init) ?? ""
        switch name {
        case "out_time_us": seconds = Int64(value).map { Double($0) / 1_000_000 } ?? seconds
        case "out_time": seconds = Self.seconds(clock: value) ?? seconds
        case "progress": return (finding(isEnd: value == "end"), true)
        default: break
        }
        return (nil, true)
    }

    /// The names that ffmpeg writes (`print_report` in fftools/ffmpeg.c).
    private static let names: Set<String> = [
        "frame", "fps", "bitrate", "total_size", "out_time_us", "out_time_ms", "out_time", "dup_frames", "drop_frames",
        "speed", "progress",
    ]

    private func finding(isEnd: Bool) -> ProgressReader.Finding? {
        guard lengthSeconds > 0, let seconds = isEnd ? max(seconds ?? 0, lengthSeconds) : seconds, seconds >= 0 else {
            return nil
        }
        let done = min(seconds, lengthSeconds)
        let message = "\(Self.clock(done)) of \(Self.clock(lengthSeconds))"
        return ProgressReader.Finding(progress: Progress(done / lengthSeconds), message: message)
    }

    /// Parses `HH:MM:SS.ffffff`.
    private static func seconds(clock text: String) -> Double? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let hours = Int(parts[0]), let minutes = Int(parts[1]), let seconds = Double(parts[2]),
            hours >= 0, minutes >= 0, seconds >= 0, seconds < 60, hours < 1_000_000
        else { return nil }
        return Double(hours * 3600 + minutes * 60) + seconds
    }

    /// Formats a time as in `00:04.2`. Hundredths are truncated, and minutes may exceed 59.
    static func clock(_ seconds: Double) -> String {
        let tenths = Int((min(seconds, 1e9) * 10 + 1e-6).rounded(.down))
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
        return "\(padded(tenths / 600)):\(padded(tenths / 10 % 60)).\(tenths % 10)"
    }
}

/// Finds progress with a regular expression from the configuration: with the groups `done` and
/// `of`, or with the group `percent`.
struct PatternProgress {
    /// The part of a line that is matched. A regular expression can take time that grows much
    /// faster than the length of the line.
    static let matchedBytes = 4_096

    private let regex: Regex<AnyRegexOutput>
    private let hasPercent: Bool

    /// - Returns: `nil` if the text is not a regular expression with these groups.
    init?(_ text: String) {
        guard let regex = try? Regex(text) else { return nil }
        hasPercent = regex.contains(captureNamed: "percent")
        guard hasPercent || (regex.contains(captureNamed: "done") && regex.contains(captureNamed: "of")) else {
            return nil
        }
        self.regex = regex
    }

    func read(_ line: ArraySlice<UInt8>) -> ProgressReader.Finding? {
        let text = String(decoding: line.prefix(Self.matchedBytes), as: UTF8.self)
        guard let match = text.firstMatch(of: regex) else { return nil }
        func number(_ name: String) -> (value: Double, text: Substring)? {
            guard let text = match[name]?.substring, text.utf8.count <= 32, let value = Double(text), value >= 0 else {
                return nil
            }
            return (value, text)
        }
        if hasPercent {
            guard let percent = number("percent"), percent.value <= 100 else { return nil }
            return ProgressReader.Finding(progress: Progress(percent.value / 100), message: "\(percent.text) %")
        }
        guard let done = number("done"), let of = number("of"), of.value > 0, done.value <= of.value else { return nil }
        return ProgressReader.Finding(
            progress: Progress(done.value / of.value), message: "\(done.text) of \(of.text)")
    }
}
