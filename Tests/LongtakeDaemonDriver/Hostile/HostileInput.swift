/// One thing that a broken or hostile client sends, and what comes of it.
package struct HostileInput: Sendable {
    package let name: String
    package let bytes: [UInt8]
    /// The status of each answer, in order. None where the connection is closed without a word, once the client has said that it sends no more.
    package let answers: [Int]
    /// Whether the connection takes another request afterwards.
    package let isKept: Bool

    /// - Parameter text: each of its characters is one byte (ISO 8859-1), so that any byte can be written.
    private init(_ name: String, _ text: String, answers: [Int], isKept: Bool) {
        self.name = name
        bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        self.answers = answers
        self.isKept = isKept
    }

    /// What is answered, and the connection goes on.
    package init(_ name: String, _ text: String, _ answers: Int...) {
        self.init(name, text, answers: answers, isKept: true)
    }

    /// What is answered, and the connection closes behind the last answer.
    package init(_ name: String, _ text: String, closes answers: Int...) {
        self.init(name, text, answers: answers, isKept: false)
    }

    /// What the daemon waits for the rest of, and is not worth an answer when that never comes.
    package init(unanswered name: String, _ text: String) {
        self.init(name, text, answers: [], isKept: false)
    }

    /// How many jobs it submits, as it should.
    package var submissions: Int { answers.count { $0 == 201 } }

    package var isHead: Bool { bytes.starts(with: Array("HEAD ".utf8)) }
}

/// Inputs of one kind.
package struct HostileGroup: Sendable, CustomStringConvertible {
    package let description: String
    package let inputs: [HostileInput]

    package static let all = [
        json, numbers, texts, rules, lengths, codings, chunks, lines, fields, methods, targets, queries,
        representations,
        conditions, protocols, pipelines,
    ]
}
