/// Results as columns that line up.
struct ResultTable: Sendable {
    private var rows: [[String]]

    init(_ head: [String]) { rows = [head] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The first column is set to the left, numbers to the right.
    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + space : space + row[column]
            }.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}

extension Double {
    /// With so many digits behind the point; a dash where nothing was measured.
    func shown(_ digits: Int) -> String {
        guard isFinite else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let whole = Int64((abs(self) * scale).rounded())
        let fraction = String(whole % Int64(scale))
        let sign = self < 0 && whole > 0 ? "-" : ""
        let padding = String(repeating: "0", count: max(0, digits - fraction.count))
        return sign + String(whole / Int64(scale)) + (digits > 0 ? "." + padding + fraction : "")
    }
}

extension Int {
    /// Bytes as mebibytes.
    var mebibytes: String { (Double(self) / 1_048_576).shown(1) }
}
