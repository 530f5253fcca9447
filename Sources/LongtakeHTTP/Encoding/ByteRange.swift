import HTTPTypes
import LongtakeAPI

/// The part of some content that a `GET` request asks for (RFC 9110 §14).
enum ByteRange: Hashable, Sendable {
    /// The whole content, also if the request has no valid range or several ranges.
    case whole
    /// The offsets of the first byte and behind the last byte.
    case part(Range<Int64>)
    /// The range begins behind the content.
    case unsatisfiable

    /// - Parameters:
    ///   - range: the `Range` header; `nil` if the request has none.
    ///   - ifRange: the `If-Range` header. If it is not the strong tag of the content, the range
    ///     has no effect. A date never matches, because the daemon sends no `Last-Modified`.
    ///   - tag: the tag of the content; `nil` if it has none.
    ///   - length: the number of bytes of the content.
    init(_ range: String?, ifRange: String? = nil, tag: EntityTag? = nil, length: Int64) {
        let isCurrent = ifRange.map { tag?.isWeak == false && $0.trimmed == tag?.description } ?? true
        guard isCurrent, let (first, last) = range.flatMap(Self.parse) else {
            self = .whole
            return
        }
        switch (first, last) {
        case (let first?, let last):
            self = first < length ? .part(first..<min(length, (last ?? length).saturatingSuccessor)) : .unsatisfiable
        case (nil, let suffix?):
            // A suffix of an empty content is the whole content, which no `Content-Range`
            // describes.
            if suffix == 0 {
                self = .unsatisfiable
            } else {
                self = length == 0 ? .whole : .part(max(0, length - suffix)..<length)
            }
        case (nil, nil):
            self = .whole
        }
    }

    /// Parses one range.
    /// - Returns: the first and the last offset; the length of a suffix as the last one without a
    ///   first one. `nil` for several ranges, another unit and errors.
    private static func parse(_ header: String) -> (first: Int64?, last: Int64?)? {
        let parts = header.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].trimmed.lowercased() == "bytes" else { return nil }
        let bounds = parts[1].trimmed.split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, bounds.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            bounds.contains(where: { !$0.isEmpty })
        else { return nil }
        // A number that overflows is larger than every content.
        let numbers = bounds.map { $0.isEmpty ? nil : Int64($0) ?? .max }
        if let first = numbers[0], let last = numbers[1], last < first { return nil }
        return (numbers[0], numbers[1])
    }

    /// The value of `Content-Range`; `nil` for the whole content.
    func contentRange(of length: Int64) -> String? {
        switch self {
        case .whole: nil
        case .part(let range): "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(length)"
        case .unsatisfiable: "bytes */\(length)"
        }
    }
}

extension Int64 {
    fileprivate var saturatingSuccessor: Int64 { self == .max ? .max : self + 1 }
}

extension Problem {
    /// - Parameter length: the number of bytes of the content.
    static func unsatisfiableRange(_ length: Int64) -> Problem {
        Problem(
            type: .badHeader, status: .rangeNotSatisfiable, title: "Range not satisfiable",
            detail: "The content has \(length) bytes, and the range begins behind them.",
            headers: [.contentRange: "bytes */\(length)"])
    }
}
