/// Parses the response of `GET /metrics` by the rules of Prometheus' text format 0.0.4 and by
/// stricter rules of this project. Each family is one group of its HELP line, its TYPE line and at
/// least one sample. No series occurs twice. The names of counters, and only those, end with
/// `_total`.
package struct Exposition {
    /// The type of each family, `counter` or `gauge`.
    package private(set) var kinds: [String: String] = [:]
    /// The value of each series, with its labels in the order of the text: `name{label="value"}`,
    /// unescaped.
    package private(set) var values: [String: Double] = [:]

    package struct Malformed: Error, CustomStringConvertible {
        package let description: String
    }

    package subscript(series: String) -> Double? { values[series] }

    package init(_ text: String) throws {
        guard text.utf8.last == 0x0a else { throw Malformed(description: "the last line has no end") }
        var lines = Substring(text).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        while let first = lines.popFirst() {
            guard first.hasPrefix("# HELP "), let type = lines.popFirst(), type.hasPrefix("# TYPE ") else {
                throw Malformed(description: "no HELP and TYPE: \(first)")
            }
            let help = first.dropFirst(7).split(separator: " ", maxSplits: 1)
            let words = type.dropFirst(7).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard help.count == 2, words.count == 2, words[0] == help[0], Self.isName(help[0], with: ":"),
                ["counter", "gauge"].contains(words[1]), (words[1] == "counter") == words[0].hasSuffix("_total"),
                kinds.updateValue(words[1], forKey: words[0]) == nil
            else { throw Malformed(description: "\(first)\n\(type)") }
            var count = 0
            while let line = lines.first, !line.hasPrefix("#") {
                try add(line, of: words[0])
                lines.removeFirst()
                count += 1
            }
            guard count > 0 else { throw Malformed(description: "\(words[0]) has no sample") }
        }
    }

    private mutating func add(_ line: Substring, of family: String) throws {
        let malformed = Malformed(description: String(line))
        guard line.hasPrefix(family) else { throw malformed }
        var rest = line.dropFirst(family.count)
        var series = family
        if rest.first == "{" {
            let labels = try Self.labels(&rest, or: malformed)
            guard Set(labels.map(\.name)).count == labels.count, !labels.isEmpty else { throw malformed }
            series += "{" + labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",") + "}"
        }
        guard rest.first == " ", let value = Double(rest.dropFirst()), value.isFinite,
            value >= 0 || kinds[family] == "gauge", values.updateValue(value, forKey: series) == nil
        else { throw malformed }
    }

    /// Removes `{name="value",…}` from the front.
    private static func labels(
        _ rest: inout Substring, or malformed: Malformed
    ) throws -> [(name: String, value: String)] {
        var labels: [(name: String, value: String)] = []
        repeat {
            rest.removeFirst()
            let name = rest.prefix { $0 != "=" }
            rest = rest.dropFirst(name.count)
            guard isName(name), rest.hasPrefix("=\"") else { throw malformed }
            rest.removeFirst(2)
            var value = ""
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\" else {
                    value.append(character)
                    continue
                }
                guard let escaped = rest.popFirst(), let meant = ["\\": "\\", "\"": "\"", "n": "\n"][escaped] else {
                    throw malformed
                }
                value += meant
            }
            labels.append((String(name), value))
        } while rest.first == ","
        guard rest.popFirst() == "}" else { throw malformed }
        return labels
    }

    private static func isName(_ text: Substring, with more: String = "") -> Bool {
        let letters = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" + more)
        guard let first = text.first, letters.contains(first) else { return false }
        return text.allSatisfy { letters.contains($0) || ("0"..."9").contains($0) }
    }
}
