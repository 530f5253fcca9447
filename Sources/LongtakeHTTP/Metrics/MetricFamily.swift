/// Samples of one name, as Prometheus reads them: text exposition format 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats).
struct MetricFamily: Sendable {
    enum Kind: String, Sendable {
        /// Only grows, from 0 at each start. Its name ends in `_total`.
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
    /// With different labels each.
    var samples: [Sample]

    /// A family of one sample.
    init(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        self.init(name, kind, help, samples: [Sample(value: value)])
    }

    init(_ name: String, _ kind: Kind, _ help: String, samples: [Sample]) {
        self.name = name
        self.kind = kind
        self.help = help
        self.samples = samples
    }

    /// Appends the lines of the family; none where it has no sample.
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

    /// What Go's `ParseFloat` reads; whole numbers without a fraction.
    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }

    /// Neither a line nor a quoted value may end early. In help a quotation mark is itself.
    private static func escaped(_ text: String, withQuotes: Bool = false) -> String {
        var escaped = ""
        // By scalars: a line feed behind a carriage return is no character of its own.
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
