/// An argument of a configured command: literal text and placeholders.
///
/// `{input.fps}` is the value of an input field, `{text.prompt}`, `{file.image}` and
/// `{artifact.frames.mkv}` are paths of files. `{{` and `}}` are literal braces.
public struct CommandTemplate: Hashable, Sendable {
    /// Without empty literals. Two literals never follow each other.
    public let parts: [Part]
    /// The text as it was configured.
    public let source: String

    /// A piece of an argument.
    public enum Part: Hashable, Sendable {
        case literal(String)
        /// The value of a number, a size, or a text with an `enum` or a `pattern`.
        case input(field: String)
        /// The path of a file with the value of a text.
        case text(field: String)
        /// The path of an uploaded file.
        case file(field: String)
        /// The path of an artifact of an earlier stage.
        case artifact(ArtifactName)
    }

    /// Why a text is not a template, as words for the person who wrote it.
    struct Invalid: Error, Hashable {
        let reason: String
    }

    init(_ source: String) throws(Invalid) {
        self.source = source
        var (parts, literal, rest) = ([Part](), "", Substring(source))
        while let character = rest.popFirst() {
            guard character == "{" || character == "}" else {
                literal.append(character)
                continue
            }
            if rest.first == character {
                literal.append(rest.removeFirst())
            } else if character == "{", let end = rest.firstIndex(of: "}") {
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(try Self.placeholder(String(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            } else {
                throw Invalid(reason: "has a single “\(character)”; write “\(character)\(character)” for a brace")
            }
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        self.parts = parts
    }

    /// - Parameter text: the text between the braces.
    private static func placeholder(_ text: String) throws(Invalid) -> Part {
        let words = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if words.count == 2, !words[1].isEmpty {
            switch words[0] {
            case "input": return .input(field: words[1])
            case "text": return .text(field: words[1])
            case "file": return .file(field: words[1])
            case "artifact":
                guard let name = ArtifactName(words[1]) else {
                    throw Invalid(reason: "“\(words[1])” is not a valid name of an artifact")
                }
                return .artifact(name)
            default: break
            }
        }
        throw Invalid(
            reason:
                "“{\(text)}” is not a placeholder; known are {input.FIELD}, {text.FIELD}, {file.FIELD} and {artifact.NAME}; write “{{” and “}}” for braces"
        )
    }

    /// Whether a placeholder is the whole argument. Then the argument is removed if the placeholder
    /// has no value.
    var isPlaceholder: Bool {
        guard parts.count == 1, case .literal = parts[0] else { return parts.count == 1 }
        return false
    }

    /// Whether it has no placeholder.
    var isLiteral: Bool {
        parts.allSatisfy { if case .literal = $0 { true } else { false } }
    }

    /// The literal text of a template without placeholders.
    var literalText: String {
        parts.map { if case .literal(let text) = $0 { text } else { "" } }.joined()
    }
}

extension CommandTemplate.Part {
    /// The input field that the placeholder names; `nil` if it names none.
    var field: String? {
        switch self {
        case .input(let field), .text(let field), .file(let field): field
        case .literal, .artifact: nil
        }
    }
}
