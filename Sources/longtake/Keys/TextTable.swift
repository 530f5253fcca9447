/// Columns of text for a terminal, as wide as what is in them.
struct TextTable {
    private let rows: [[String]]

    /// - Parameter rows: all of one length, the headings first.
    init(_ rows: [[String]]) { self.rows = rows }

    var text: String {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                // The last one needs no room behind it.
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }
}
