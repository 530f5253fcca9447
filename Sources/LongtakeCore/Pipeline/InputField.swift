/// The rule for one field of a pipeline's input.
public struct InputField: Hashable, Sendable {
    /// The type of the field's value.
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case string, integer, number
        /// A width and a height, such as `1280x720`. The bounds apply to each side.
        case size
        /// An uploaded file, or an artifact of another job.
        case file

        /// Whether a value has a magnitude, which can scale something.
        var isNumeric: Bool { self == .integer || self == .number || self == .size }
    }

    public let kind: Kind
    public let isRequired: Bool
    /// The value if the field is absent.
    public let defaultValue: JSONValue?
    /// The lower bound of a number, of the length of a string, or of each side of a size.
    public let minimum: Double?
    /// The upper bound, like ``minimum``.
    public let maximum: Double?
    /// A number, or each side of a size, must be a multiple of this.
    public let multipleOf: Int?
    /// The values that a string may have, which the key `enum` lists; `nil` for any.
    public let choices: [String]?
    /// A regular expression that a string must match as a whole; `nil` for none. Then a string has
    /// at most ``Limits/matchedCharacters`` code points.
    public let pattern: String?
    /// The media types that a file may have; `nil` for all.
    public let accept: [String]?
    /// The largest size of a file in units of 1,000,000 bytes; `nil` for the limit of uploads.
    public let maximumMegabytes: Double?
    /// A text for people.
    public let description: String?

    /// Why a value breaks this rule, as words that follow the name of the field; `nil` if the value
    /// is valid.
    func problem(with value: JSONValue) -> String? {
        switch kind {
        case .string:
            guard let text = value.text else { return "must be a string" }
            // Counts code points, as JSON Schema does. A single `Character` can have thousands of
            // them.
            guard range(Double(text.unicodeScalars.count)) else { return "must have \(bounds) characters" }
            return problem(withText: text)
        case .integer:
            guard case .integer(let integer) = value else { return "must be a whole number" }
            return range(Double(integer)) ? multiple([integer]) : "must be \(bounds)"
        case .number:
            guard let number = value.double else { return "must be a number" }
            return range(number) ? nil : "must be \(bounds)"
        case .size:
            guard let size = FrameSize(value) else { return "must be a width and a height like 1280x720" }
            let sides = [size.width, size.height]
            return sides.allSatisfy { range(Double($0)) }
                ? multiple(sides.map(Int64.init)) : "must have sides \(bounds)"
        case .file:
            switch FileReference.Source.parse(value) {
            case .success: return nil
            case .failure(let problem): return problem.detail
            }
        }
    }

    /// Checks the value of a member of the input.
    /// - Returns: the file that the value refers to; `nil` if the field is not a file.
    /// - Throws: ``InvalidInput`` with a pointer below `/input`.
    func check(_ value: JSONValue, named name: String) throws(InvalidInput) -> FileReference? {
        guard kind == .file else {
            guard let problem = problem(with: value) else { return nil }
            throw InvalidInput(problems: [InputProblem(in: "/input", member: name, detail: problem)])
        }
        switch FileReference.Source.parse(value) {
        case .success(let source):
            return FileReference(
                field: name, source: source, accept: accept ?? [],
                maximumBytes: maximumMegabytes.map { Int64($0 * 1e6) })
        case .failure(let problem):
            let field = InputProblem(in: "/input", member: name, detail: problem.detail)
            guard let member = problem.member else { throw InvalidInput(problems: [field]) }
            throw InvalidInput(problems: [InputProblem(in: field.pointer, member: member, detail: problem.detail)])
        }
    }

    private func problem(withText text: String) -> String? {
        if let choices, !choices.contains(text) { return "must be one of \(choices.joined(separator: ", "))" }
        guard let pattern else { return nil }
        guard text.unicodeScalars.count <= Limits.matchedCharacters else {
            return "must have at most \(Limits.matchedCharacters) characters"
        }
        let isMatch = (try? Self.regex(pattern)?.wholeMatch(in: text)) != nil
        return isMatch ? nil : "must match \(pattern)"
    }

    /// The compiled pattern, which compares code points; `nil` if it is not valid.
    static func regex(_ pattern: String) -> Regex<AnyRegexOutput>? {
        (try? Regex(pattern))?.matchingSemantics(.unicodeScalar)
    }

    /// The number with which a value scales a duration or a number of steps. For a size it is the
    /// number of pixels.
    func magnitude(of value: JSONValue) -> Double? {
        kind == .size ? FrameSize(value).map { Double($0.width) * Double($0.height) } : value.double
    }

    private func range(_ value: Double) -> Bool {
        value >= minimum ?? -.infinity && value <= maximum ?? .infinity
    }

    private func multiple(_ values: [Int64]) -> String? {
        guard let multipleOf, !values.allSatisfy({ $0.isMultiple(of: Int64(multipleOf)) }) else { return nil }
        return multipleOf == 2 ? "must be even" : "must be a multiple of \(multipleOf)"
    }

    private var bounds: String {
        switch (minimum, maximum) {
        case (let low?, let high?): "between \(Self.plain(low)) and \(Self.plain(high))"
        case (let low?, nil): "at least \(Self.plain(low))"
        case (nil, let high?): "at most \(Self.plain(high))"
        case (nil, nil): "any"
        }
    }

    private static func plain(_ value: Double) -> String { Int64(exactly: value).map(String.init) ?? String(value) }
}

/// A width and a height in pixels, written `1280x720`.
struct FrameSize: Hashable, Sendable {
    let width: Int
    let height: Int

    init?(_ value: JSONValue) {
        // The length is checked first, because splitting takes time that grows with the square of
        // the number of consecutive combining marks.
        guard let text = value.text, text.utf8.count <= 11 else { return nil }
        let sides = text.split(separator: "x", omittingEmptySubsequences: false)
        guard sides.count == 2,
            sides.allSatisfy({ (1...5).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let width = Int(sides[0]), let height = Int(sides[1])
        else { return nil }
        self.width = width
        self.height = height
    }
}
