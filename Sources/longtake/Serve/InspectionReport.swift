import LongtakeSQLite

/// What an inspection found, as a table for people.
struct InspectionReport {
    private let inspection: StorageInspection

    init(_ inspection: StorageInspection) { self.inspection = inspection }

    /// Violations of one invariant that are shown; `--json` has more.
    private static let shown = 10

    var text: String {
        var lines = facts
        if inspection.schemaAge != .newer { lines += [""] + Invariant.allCases.map(verdict) }
        for invariant in Invariant.allCases where count(of: invariant) > 0 { lines += [""] + violations(of: invariant) }
        lines += ["", conclusion]
        return lines.joined(separator: "\n") + "\n"
    }

    private var facts: [String] {
        let log = inspection.walBytes > 0 ? ", and a write-ahead log of \(inspection.walBytes) bytes" : ""
        return [
            row("database", "\(inspection.path), \(inspection.bytes) bytes\(log)"),
            row("SQLite", inspection.sqliteVersion),
            row("application", "Longtake (\(inspection.applicationID))"),
            row("schema", "\(inspection.schema.joined(separator: ", ")) (\(age))"),
            row("epoch, boots", "\(inspection.epoch), \(inspection.boots)"),
            row("jobs, events", "\(inspection.jobs), \(inspection.events)"),
        ] + setAside
    }

    private var setAside: [String] {
        guard !inspection.setAside.isEmpty else { return [] }
        let more = inspection.setAside.count > Self.shown ? " and more" : ""
        let ids = inspection.setAside.prefix(Self.shown).joined(separator: ", ")
        return [
            row("set aside", "\(inspection.setAside.count), which failed because they cannot be read: \(ids)\(more)")
        ]
    }

    private var age: String {
        switch inspection.schemaAge {
        case .current: "current"
        case .older: "older: the next start brings it up"
        case .newer: "newer than this program"
        }
    }

    private func count(of invariant: Invariant) -> Int { inspection.counts[invariant.rawValue] ?? 0 }

    private func verdict(_ invariant: Invariant) -> String {
        let count = count(of: invariant)
        let verdict = count > 0 ? "broken \(count) times" : inspection.hasExamined(invariant) ? "ok" : "not looked at"
        return row(invariant.rawValue, "\(verdict.padded(to: 16)) \(invariant.sentence)")
    }

    private func violations(of invariant: Invariant) -> [String] {
        let found = inspection.violations.filter { $0.invariant == invariant }.prefix(Self.shown)
        var lines = ["\(invariant.rawValue): \(invariant.sentence). Yet:"]
        lines += found.map { "  \($0.job.map { "\($0): " } ?? "")\($0.detail)" }
        let left = count(of: invariant) - found.count
        if left > 0 { lines.append("  and \(left) more") }
        return lines + ["  \(invariant.remedy)"]
    }

    private var conclusion: String {
        if inspection.schemaAge == .newer {
            return
                "This database was written by a newer version. Start that one, or restore a backup made before the upgrade."
        }
        return inspection.isSound ? "No mistake found." : "\(inspection.violationCount) mistakes found."
    }

    private func row(_ name: String, _ value: String) -> String { "\(name.padded(to: 17)) \(value)" }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
