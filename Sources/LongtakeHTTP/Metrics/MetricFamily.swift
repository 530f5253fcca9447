/// The samples of one metric in the Prometheus text format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats).
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        /// A value that starts at 0 and only increases. Its name ends in `_total`.
        case counter
        case gauge
    }

    struct Sample: Sendable {
        var labels: [(name: String, value: String)] = []
        var value: Double
    }

    let name: String
    let kind: Kind
    /// One sentence.
    let help: String
    /// Each sample has different labels.
    var samples: [Sample]

    /// Makes a family with one sample.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help, samples: [Sample(value: value)])
    }

    init(_ name: String, _ kind: Kind, _ help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// Appends the lines of the family. Writes nothing if it has no samples.
    func write(into text: inout String) {
        guard !samples.isEmpty else { return }
        text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            text += name
            if !sample.labels.isEmpty {
                let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value, withQuotes: true))\"" }
                text += "{" + labels.joined(separator: ",") + "}"
            }
            text += " " + Self.number(sample.value) + "\n"
        }
    }

    /// Formats a number for Go's `ParseFloat`. Whole numbers have no fraction.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }

    /// Escapes line feeds, backslashes and, within labels, quotation marks.
    private static func escaped(_ text: String, withQuotes: Bool = false) -> String {
        var escaped = ""
        // Scalars, not characters: “\r\n” is a single character.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where withQuotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
